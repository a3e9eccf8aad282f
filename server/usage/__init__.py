"""What tills that evaluate by themselves report: which promotions they granted, and how bills came out."""
