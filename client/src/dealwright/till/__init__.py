"""The till: its disk, its journal, its clock, and what it has in force."""
