"""Reports that need more than the analyzer's bytes: how a terminal shows them, and the pages."""
