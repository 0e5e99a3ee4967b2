"""The face: the pool that a user holds, joining the scheduler and a backend."""
