//! Fallback kernels: whole-array kernels of the primitives that are neither fused nor a product or convolution of
//! floats: gather, scatter-add, ranking (argmax, argsort), cumulative sums, linear recurrences, random bits, Cholesky
//! and LU, other decompositions, systems of equations, Fourier transforms, searches in sorted arrays, reductions over windows (pooling), iota, padding, concatenation and products of integers. Any
//! other primitive runs by the reference kernel of its rule.
//!
//! In: a primitive with numeric shapes, once; then contiguous slices at each run. Out: the output, whole or in parts,
//! equal to that of the reference kernels (sums in a fixed order may be rounded differently). Only the reference
//! kernels allocate at each run. The output is cut by shape alone into parts that write disjoint ranges; the caller
//! decides which thread runs which part.

mod blocks;
mod contract;
mod cumulative_sum;
mod custom;
mod data;
mod decomposition;
mod fourier;
mod gather;
mod join;
mod lanes;
mod leaf;
mod lu;
mod pad;
mod partition;
mod plane;
mod random;
mod rank;
mod recurrence;
mod reference;
mod scatter;
mod search;
#[cfg(test)]
mod tests;
mod triangular;
mod window;

use std::ops::Range;

use super::instruction_set::InstructionSet;
use crate::{
    graph::{Bindings, DType, Op},
    ops::{OpError, Spectrum},
};

pub(crate) use data::{Data, DataMut};
use decomposition::{DecompositionKernel, Factorization};
use partition::Partition;

/// A primitive with all its sizes as numbers and the kernel for them, selected when the executable is made.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FallbackKernel {
    kernel: KernelVariant,
    partition: Partition,
    /// Words of scratch memory that a part needs.
    n_scratch: usize,
}

/// The use of a primitive for which a kernel is resolved: numeric types of operands and output, and the values of
/// symbols.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResolveContext<'a> {
    pub(crate) operands: &'a [(DType, &'a [usize])],
    pub(crate) output: (DType, &'a [usize]),
    pub(crate) bindings: &'a Bindings,
    pub(crate) instruction_set: InstructionSet,
}

impl ResolveContext<'_> {
    /// How many matrices an operand has, and their rows and columns.
    fn matrices(&self, operand: usize) -> (usize, [usize; 2]) {
        let (outer, matrix) = self.operands[operand].1.split_at(self.operands[operand].1.len() - 2);
        (outer.iter().product(), [matrix[0], matrix[1]])
    }
}

/// What a kernel computes at a time.
struct KernelPart<'p> {
    /// Which units of the output.
    units: Range<usize>,
    operands: &'p [Data<'p>],
    /// The elements of these units and no others.
    out: DataMut<'p>,
    /// As much as the kernel asked for, with any contents.
    scratch: &'p mut [u64],
}

/// What each kernel of this folder provides.
trait FallbackRun {
    /// How the output may be cut into parts.
    fn partition(&self) -> Partition;

    /// Words of scratch memory that a part needs, with any contents.
    fn n_scratch(&self) -> usize {
        0
    }

    /// The operand whose elements the output has already when a part is computed; it is left out of the operands then.
    fn overwritten(&self) -> Option<usize> {
        None
    }

    /// Computes some units of the output.
    ///
    /// Of errors of several parts that of the first is reported, so an invalid value in operands that every part reads must
    /// be reported by the call for the first part.
    fn run(&self, part: KernelPart<'_>) -> Result<(), OpError>;
}

macro_rules! kernels {
    ($($kernel:ident($body:path)),* $(,)?) => {
        #[derive(Debug, Clone, PartialEq)]
        enum KernelVariant { $($kernel($body)),* }

        impl KernelVariant {
            fn as_run(&self) -> &dyn FallbackRun {
                match self { $(KernelVariant::$kernel(body) => body),* }
            }
        }

        $(impl From<$body> for KernelVariant {
            fn from(body: $body) -> KernelVariant {
                KernelVariant::$kernel(body)
            }
        })*
    };
}
kernels! {
    GatherKernel(gather::GatherKernel),
    ScatterAddKernel(scatter::ScatterAddKernel),
    RankKernel(rank::RankKernel),
    CumulativeSumKernel(cumulative_sum::CumulativeSumKernel),
    LinearRecurrenceKernel(recurrence::LinearRecurrenceKernel),
    RandomBitsKernel(random::RandomBitsKernel),
    CholeskyKernel(triangular::CholeskyKernel),
    TriangularSolveKernel(triangular::TriangularSolveKernel),
    LuKernel(lu::LuKernel),
    SolveKernel(lu::SolveKernel),
    DecompositionKernel(decomposition::DecompositionKernel),
    FourierKernel(fourier::FourierKernel),
    SearchSortedKernel(search::SearchSortedKernel),
    PlaneWindowKernel(plane::PlaneWindowKernel),
    WindowKernel(window::WindowKernel),
    IotaKernel(leaf::IotaKernel),
    PadKernel(pad::PadKernel),
    ConcatKernel(join::ConcatKernel),
    CustomKernel(Box<custom::CustomKernel>),
    Reference(Box<reference::Reference>),
    IntegerDotKernel(contract::IntegerDotKernel),
}

impl FallbackKernel {
    /// The primitive as a kernel of this folder: its own, or that of its rule.
    ///
    /// # Errors
    /// [`OpError`] for what the shapes alone make impossible: an extreme of nothing, or a size that is unbound or
    /// negative.
    pub(crate) fn resolve(op: &Op, place: ResolveContext<'_>) -> Result<FallbackKernel, OpError> {
        let kernel: Result<KernelVariant, OpError> = match op {
            Op::Gather(gather) => Ok(gather::GatherKernel::resolve(gather, place).into()),
            Op::ScatterAdd(scatter) => Ok(scatter::ScatterAddKernel::resolve(scatter, place).into()),
            Op::Rank(rank) => rank::RankKernel::resolve(rank, place).map(KernelVariant::from),
            Op::CumulativeSum(sum) => Ok(cumulative_sum::CumulativeSumKernel::resolve(sum, place).into()),
            Op::LinearRecurrence(op) => Ok(recurrence::LinearRecurrenceKernel::resolve(op, place).into()),
            Op::RandomBits(bits) => Ok(random::RandomBitsKernel::resolve(bits, place).into()),
            Op::Cholesky(_) => Ok(triangular::CholeskyKernel::resolve(place).into()),
            Op::TriangularSolve(solve) => Ok(triangular::TriangularSolveKernel::resolve(solve, place).into()),
            Op::Lu(_) => Ok(lu::LuKernel::resolve(place).into()),
            Op::Solve(solve) => Ok(lu::SolveKernel::resolve(solve, place).into()),
            Op::Qr(_) => Ok(DecompositionKernel::resolve(Factorization::Qr, place).into()),
            Op::Eigh(_) => Ok(DecompositionKernel::resolve(Factorization::Symmetric(Spectrum::Vectors), place).into()),
            Op::Eigvalsh(_) => {
                Ok(DecompositionKernel::resolve(Factorization::Symmetric(Spectrum::Values), place).into())
            }
            Op::Svd(_) => Ok(DecompositionKernel::resolve(Factorization::Svd, place).into()),
            Op::Svdvals(_) => Ok(DecompositionKernel::resolve(Factorization::Svdvals, place).into()),
            Op::Fft(fft) => Ok(fourier::FourierKernel::resolve(fft, place).into()),
            Op::SearchSorted(search) => Ok(search::SearchSortedKernel::resolve(search, place).into()),
            Op::Window(window) => window::WindowKernel::resolve(window, place).map(|window| {
                plane::PlaneWindowKernel::new(&window).map_or_else(|| window.into(), KernelVariant::from)
            }),
            Op::Iota(iota) => Ok(leaf::IotaKernel::resolve(iota, place).into()),
            Op::Pad(pad) => pad::PadKernel::resolve(pad, place).map(KernelVariant::from),
            Op::Concat(concat) => Ok(join::ConcatKernel::resolve(concat, place).into()),
            Op::DotGeneral(dot) if place.output.0 == DType::I64 => {
                Ok(contract::IntegerDotKernel::resolve(dot, place).into())
            }
            Op::Custom(custom) => custom::CustomKernel::resolve(custom, place).map(|kernel| Box::new(kernel).into()),
            other => Ok(reference::Reference::resolve(other, place).into()),
        };
        kernel.map(|kernel| {
            let (partition, n_scratch) = (kernel.as_run().partition(), kernel.as_run().n_scratch());
            FallbackKernel { kernel, partition, n_scratch }
        })
    }

    /// How many parts the work is cut into, at least 1; by shape alone.
    pub(crate) fn n_parts(&self) -> usize {
        self.partition.n_parts()
    }

    /// Which elements of the output a part writes; together the parts write each element once.
    pub(crate) fn part_range(&self, part: usize) -> Range<usize> {
        self.partition.elements(part)
    }

    /// Words of memory that a part needs while it is computed.
    pub(crate) fn n_scratch(&self) -> usize {
        self.n_scratch
    }

    /// The operand whose elements `out` must have when a part is computed, and that is left out of its operands.
    pub(crate) fn overwritten(&self) -> Option<usize> {
        self.kernel.as_run().overwritten()
    }

    /// Computes one part into `out`, the output's elements in [`FallbackKernel::part_range`]; all of them are written.
    ///
    /// # Errors
    /// A position outside its axis, or what the user's code says. Of several parts that fail the first is the one to report:
    /// whatever part it is, a position is the first such one in index order.
    pub(crate) fn run_part(
        &self,
        part: usize,
        operands: &[Data<'_>],
        out: DataMut<'_>,
        scratch: &mut [u64],
    ) -> Result<(), OpError> {
        let (units, scratch) = (self.partition.units(part), &mut scratch[..self.n_scratch]);
        self.kernel.as_run().run(KernelPart { units, operands, out, scratch })
    }

    /// Computes the whole output on this thread.
    ///
    /// # Errors
    /// As [`FallbackKernel::run_part`].
    #[cfg(test)]
    fn run(&self, operands: &[Data<'_>], mut out: DataMut<'_>) -> Result<(), OpError> {
        let mut scratch = vec![0xA5; self.n_scratch()];
        (0..self.n_parts())
            .try_for_each(|part| self.run_part(part, operands, out.range(self.part_range(part)), &mut scratch))
    }
}
