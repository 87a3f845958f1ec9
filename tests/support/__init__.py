"""What several tests need: easyconfigs, wheels, and a place to install into."""
