"""What is claimed about speed, measured; README.md says how."""
