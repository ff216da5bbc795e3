"""Evidence as HTML fragments for a report, a timeline and a web page, without scripts and external resources."""
