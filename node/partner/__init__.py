"""Settlement between banks: money leaves one bank's books and enters another's exactly once, whatever fails between."""
