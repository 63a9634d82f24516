"""What a server does under more than it can do, and after very many requests."""
