"""What users and programs enter about contacts, take out, and erase."""
