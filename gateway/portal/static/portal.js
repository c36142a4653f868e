// The portal's own script: draws charts from the figures that a page carries. Everything else works without it.
"use strict";

const COLOURS = ["#0b5cad", "#a3480b", "#1d6b3a", "#7a2c8f", "#5c5c00"];
const DASHES = [[], [6, 3], [2, 3], [9, 3, 2, 3], [12, 4]];

function drawCharts() {
  for (const place of document.querySelectorAll("[data-chart]")) {
    const told = JSON.parse(place.dataset.chart);
    if (!told.times.length) {
      place.textContent = "No figures yet.";
      continue;
    }
    const series = told.series.map((each, number) => ({
      label: each.name,
      stroke: COLOURS[number % COLOURS.length],
      dash: DASHES[number % DASHES.length],
      spanGaps: true,
      points: { size: 5 },
      value: (_, seconds) => (seconds === null ? "–" : seconds.toFixed(2) + " s"),
    }));
    new uPlot(
      {
        width: Math.min(place.clientWidth, 900),
        height: 260,
        tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "Etc/UTC"),
        series: [{ label: "Anchored (UTC)" }, ...series],
        axes: [{}, { label: "seconds" }],
        scales: {
          x: { range: (_, first, last) => (last - first < 60 ? [first - 30, last + 30] : [first, last]) },
          y: { range: (_, least, most) => [0, Math.max(most * 1.1, 0.1)] },
        },
        cursor: { drag: { x: false, y: false } },
      },
      [told.times, ...told.series.map((each) => each.values)],
      place,
    );
  }
}

document.addEventListener("DOMContentLoaded", drawCharts);
