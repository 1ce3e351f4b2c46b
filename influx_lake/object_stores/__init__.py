"""Object stores that Arrow does not handle fully by itself, for sources and tables alike: Azure, listing of folders."""
