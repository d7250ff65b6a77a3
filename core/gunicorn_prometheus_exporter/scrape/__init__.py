"""From storage segments to an exposition: read, merge, derive, render."""
