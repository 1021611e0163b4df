"""Contacts: phone numbers and the people who have them."""
