"""Which trials a proof needs, and what they prove. Pure."""
