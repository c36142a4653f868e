"""HTTP routes, one file for each noun; they translate between schemas and the gateway's parts and decide nothing."""
