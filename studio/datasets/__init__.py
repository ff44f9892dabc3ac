"""What training learns from: files of many kinds, opened, counted, split and kept ready on disk. No torch."""
