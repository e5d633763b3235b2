//! Loops compiled for the widest vectors of the machine. In: a loop in plain Rust. Out: the same loop run, with the same
//! results bit for bit: the compiler fuses no multiplication with an addition by itself. It is found at run time what
//! the machine has, so nobody has to set compiler flags.

#![allow(unsafe_code, reason = "a function for vectors that the machine may lack can only be called so")]

/// A loop that gains from wider vectors.
pub(crate) trait Loop {
    /// Runs it. It must be `#[inline(always)]`, with all that it calls inlined too, or it stays as narrow as the crate.
    fn run(self);
}

/// Runs a loop in the widest vectors there are.
pub(crate) fn run(work: impl Loop) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx2")
        {
            // SAFETY: the machine has the five features, as was just found.
            return unsafe { run_in_512_bits(work) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the machine has the feature, as was just found.
            return unsafe { run_in_256_bits(work) };
        }
    }
    work.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2")]
fn run_in_512_bits(work: impl Loop) {
    work.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn run_in_256_bits(work: impl Loop) {
    work.run();
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Halve<'a>(&'a mut [f32]);

    impl Loop for Halve<'_> {
        #[inline(always)]
        fn run(self) {
            self.0.iter_mut().for_each(|x| *x = *x * 0.5 + 1.0);
        }
    }

    #[test]
    fn every_width_gives_the_same() {
        let start: Vec<f32> = (0..1003).map(|i| (i as f32).sin() * 1e3).collect();
        let (mut plain, mut wide) = (start.clone(), start.clone());
        Halve(&mut plain).run();
        run(Halve(&mut wide));
        assert_eq!(plain, wide);
        assert_ne!(plain, start);
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            let mut wide = start;
            // SAFETY: the machine has the feature, as was just found.
            unsafe { run_in_256_bits(Halve(&mut wide)) };
            assert_eq!(plain, wide);
        }
    }
}
