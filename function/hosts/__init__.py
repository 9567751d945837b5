"""What a host needs beyond its public interface, one module per library."""
