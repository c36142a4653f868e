"""The regulator's portal: pages for examiners, supervisors and administrators, made from their own node's answers."""
