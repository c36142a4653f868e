"""Reports for supervisors: what a member's or all members' records say of a time, each figure with its proof."""
