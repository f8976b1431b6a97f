"""An example of a plug-in for exzarr. exzarr imports its modules when one of their names is used."""
