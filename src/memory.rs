//! Memory before it is taken. In: a number of bytes. Out: whether the allocator gives them. A process that takes memory
//! which is not there is ended by the standard library; one that asks first can say what it was for.

use std::hint::black_box;

/// Less than this is taken without asking: it is nearly always there, and asking takes some microseconds.
const ASKED_FOR: usize = 1 << 24;

/// Whether the allocator gives so many bytes at once.
///
/// Systems that promise more memory than they have say yes to what they cannot keep; what no address space holds, and what
/// a limit forbids, is refused everywhere.
pub(crate) fn is_available(bytes: usize) -> bool {
    if bytes < ASKED_FOR {
        return true;
    }
    let mut asked: Vec<u8> = Vec::new();
    let answer = asked.try_reserve_exact(bytes);
    // Without this the compiler may leave out an allocation that nobody uses and answer yes by itself.
    black_box(&asked);
    answer.is_ok()
}

#[cfg(test)]
mod tests {
    use super::is_available;

    #[test]
    fn what_no_address_space_holds_is_refused() {
        assert!(is_available(0) && is_available(1 << 25));
        assert!(!is_available(1 << 49) && !is_available(usize::MAX));
    }
}
