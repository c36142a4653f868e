"""``dwaybank demo``: the main job from nothing, each step checked, as a stranger would want to see it."""
