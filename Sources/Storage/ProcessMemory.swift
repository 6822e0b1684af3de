import CMalloc

/// The memory of the process that uses a store.
public enum ProcessMemory {
    /// Has the allocator keep up to 16 MiB of what was freed, per thread that frees, instead of giving it back at once.
    ///
    /// The chunks of large objects come and go by the hundred a second. Given back to the system each time, their pages
    /// are cleared and mapped again: 40 % of the CPU time of a large read. A main program calls this first; a library
    /// leaves that choice to the program.
    public static func keepFreed() {
        mallopt(M_MMAP_THRESHOLD, 4 << 20)
        mallopt(M_TRIM_THRESHOLD, 16 << 20)
    }
}
