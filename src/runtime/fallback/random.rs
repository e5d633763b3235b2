//! Random bits by Philox-4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11,
//! section 3.3). In: a key and a counter. Out: `i64` numbers, of which each depends on key, counter and place alone.

use super::{
    FallbackRun, KernelPart, ResolveContext,
    data::{DataMut, SliceElement},
    partition::Partition,
};
use crate::{
    graph::RandomBits as Op,
    ops::OpError,
    vectorize::{self, Loop},
};

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];

/// What is added to the key after a round: the golden ratio and √3 − 1.
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

const N_ROUNDS: usize = 10;

/// How many counters go through the rounds together, so that the products are made in vectors.
const N_LANES: usize = 8;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct RandomBitsKernel {
    mask: u64,
    n_elements: usize,
    /// Elements that one key draws, at least 1.
    n_each: usize,
}

impl RandomBitsKernel {
    pub(super) fn resolve(op: &Op, place: ResolveContext<'_>) -> RandomBitsKernel {
        let (sizes, n_key_axes) = (place.output.1, place.operands[0].1.len());
        let n_each = sizes[n_key_axes..].iter().product::<usize>().max(1);
        RandomBitsKernel { mask: (1 << op.width) - 1, n_elements: sizes.iter().product(), n_each }
    }
}

impl FallbackRun for RandomBitsKernel {
    fn partition(&self) -> Partition {
        Partition::new(self.n_elements, 1, 8)
    }

    fn run(&self, KernelPart { units, operands, out, .. }: KernelPart<'_>) -> Result<(), OpError> {
        let DataMut::I64(mut rest) = out else { unreachable!("invariant: random bits are i64") };
        let (keys, counters) = (i64::as_slice(&operands[0]), i64::as_slice(&operands[1]));
        let mut place = units.start;
        while !rest.is_empty() {
            let (which, first) = (place / self.n_each, place % self.n_each);
            let (out, others) = rest.split_at_mut(rest.len().min(self.n_each - first));
            place += out.len();
            rest = others;
            let [key, counter] = [keys, counters].map(|scalars| halves(scalars[which] as u64));
            vectorize::run(PhiloxRange { key, counter, first: first as u64, mask: self.mask, out });
        }
        Ok(())
    }
}

/// Consecutive numbers from place `first` on.
struct PhiloxRange<'a> {
    key: [u32; 2],
    counter: [u32; 2],
    first: u64,
    mask: u64,
    out: &'a mut [i64],
}

impl Loop for PhiloxRange<'_> {
    #[inline(always)]
    fn run(self) {
        for (chunk, first) in self.out.chunks_mut(N_LANES).zip((self.first..).step_by(N_LANES)) {
            let bits = philox(self.key, self.counter, first);
            chunk.iter_mut().zip(bits).for_each(|(out, bits)| *out = (bits & self.mask) as i64);
        }
    }
}

/// The low and the high half.
fn halves(number: u64) -> [u32; 2] {
    [number as u32, (number >> 32) as u32]
}

/// The first two words, the first of them low, for the counters (`first`, `counter`), (`first` + 1, `counter`), ….
///
/// Words are held in 64 bits, which is where their products are, so that vectors need not be repacked.
#[inline(always)]
fn philox(mut key: [u32; 2], counter: [u32; 2], first: u64) -> [u64; N_LANES] {
    let places: [u64; N_LANES] = std::array::from_fn(|lane| first + lane as u64);
    let (mut a, mut b) = (places.map(low), places.map(high));
    let [mut c, mut d] = counter.map(|word| [u64::from(word); N_LANES]);
    for _ in 0..N_ROUNDS {
        let [left_key, right_key] = key.map(u64::from);
        for lane in 0..N_LANES {
            let left = u64::from(MULTIPLIERS[0]) * low(a[lane]);
            let right = u64::from(MULTIPLIERS[1]) * low(c[lane]);
            (a[lane], c[lane]) = (high(right) ^ b[lane] ^ left_key, high(left) ^ d[lane] ^ right_key);
            (b[lane], d[lane]) = (low(right), low(left));
        }
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    std::array::from_fn(|lane| a[lane] | b[lane] << 32)
}

#[inline(always)]
fn low(number: u64) -> u64 {
    number & u64::from(u32::MAX)
}

#[inline(always)]
fn high(number: u64) -> u64 {
    number >> 32
}
