"""One module per thing that touches the world; clients come in through constructors."""
