"""The connected shop: orders, refunds and carts of its customers."""
