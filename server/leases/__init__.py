"""Parts of limits that are lent to tills, which grant them without asking anybody."""
