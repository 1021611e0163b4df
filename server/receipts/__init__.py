"""What became of each person whom a campaign or a flow wanted to reach."""
