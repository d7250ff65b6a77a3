"""Where values live: slots, segments and what a crash leaves behind."""
