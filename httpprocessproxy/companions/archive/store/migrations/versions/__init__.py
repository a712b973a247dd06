"""The steps, of which none is changed once it is released."""
