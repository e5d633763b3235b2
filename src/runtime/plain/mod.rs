//! The primitives that are neither elementwise nor products, sums or convolutions of the fast kind: gathers and their
//! transposes, orders, running sums, recurrences, random bits, triangular matrices, windows, counters, padding,
//! joining, products of integers, and a reduction of any kind over any axes; and any other primitive, by the kernel of its
//! rule.
//!
//! In: a primitive with numeric shapes, once, and then contiguous row-major slices at each run. Out: the output, whole
//! or part by part, equal to the reference kernels' (sums that are added in order but for rounding). Nothing is
//! allocated per run, and no thread is known: work is cut by shape alone into parts that write disjoint ranges of the
//! output, and the caller decides who runs them.

mod contract;
mod cumulative_sum;
mod cut;
mod data;
mod gather;
mod join;
mod lanes;
mod leaf;
mod pad;
mod plane;
mod random;
mod rank;
mod recurrence;
mod reduce;
mod reference;
mod scatter;
#[cfg(test)]
mod tests;
mod triangular;
mod window;

use std::ops::Range;

use crate::{
    graph::{Bindings, DType, Op},
    ops::Fault,
};

use cut::Cut;
pub(crate) use data::{Data, DataMut};

/// A primitive with all its sizes as numbers, resolved when the plan is made.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plain {
    kernel: Kernel,
    cut: Cut,
}

/// Where a primitive is used: the numeric types of its operands and its output, and the values of symbols.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) operands: &'a [(DType, &'a [usize])],
    pub(crate) output: (DType, &'a [usize]),
    pub(crate) bindings: &'a Bindings,
}

/// What each primitive of this folder can do.
trait Run {
    /// How the output may be cut.
    fn cut(&self) -> Cut;

    /// Words of memory that a part needs while it is computed, whatever is in them.
    fn n_scratch(&self) -> usize {
        0
    }

    /// Computes some units of the output; `out` is their elements and no others.
    ///
    /// What is wrong with the operands is found by the run of the first units at the latest, whichever else find it.
    fn run(
        &self,
        units: Range<usize>,
        operands: &[Data<'_>],
        out: DataMut<'_>,
        scratch: &mut [u64],
    ) -> Result<(), Fault>;
}

macro_rules! kernels {
    ($($kernel:ident($body:path)),* $(,)?) => {
        #[derive(Debug, Clone, PartialEq)]
        enum Kernel { $($kernel($body)),* }

        impl Kernel {
            fn as_run(&self) -> &dyn Run {
                match self { $(Kernel::$kernel(body) => body),* }
            }
        }

        $(impl From<$body> for Kernel {
            fn from(body: $body) -> Kernel {
                Kernel::$kernel(body)
            }
        })*
    };
}
kernels! {
    Gather(gather::Gather),
    ScatterAdd(scatter::ScatterAdd),
    Rank(rank::Rank),
    CumulativeSum(cumulative_sum::CumulativeSum),
    LinearRecurrence(recurrence::LinearRecurrence),
    RandomBits(random::RandomBits),
    Cholesky(triangular::Cholesky),
    TriangularSolve(triangular::TriangularSolve),
    PlaneWindow(plane::PlaneWindow),
    Window(window::Window),
    Iota(leaf::Iota),
    Pad(pad::Pad),
    Concat(join::Concat),
    Reduce(reduce::Reduce),
    Reference(Box<reference::Reference>),
    Contract(contract::Contract),
}

impl Plain {
    /// The primitive as a kernel of this folder: its own, or that of its rule.
    ///
    /// # Errors
    /// What is known from shapes alone to be impossible: an extreme of nothing, or a size that is unbound or negative.
    pub(crate) fn resolve(op: &Op, place: Place<'_>) -> Result<Plain, Fault> {
        let kernel: Result<Kernel, Fault> = match op {
            Op::Gather(gather) => Ok(gather::Gather::resolve(gather, place).into()),
            Op::ScatterAdd(scatter) => Ok(scatter::ScatterAdd::resolve(scatter, place).into()),
            Op::Rank(rank) => rank::Rank::resolve(rank, place).map(Kernel::from),
            Op::CumulativeSum(sum) => Ok(cumulative_sum::CumulativeSum::resolve(sum, place).into()),
            Op::LinearRecurrence(op) => Ok(recurrence::LinearRecurrence::resolve(op, place).into()),
            Op::RandomBits(bits) => Ok(random::RandomBits::resolve(bits, place).into()),
            Op::Cholesky(_) => Ok(triangular::Cholesky::resolve(place).into()),
            Op::TriangularSolve(solve) => Ok(triangular::TriangularSolve::resolve(solve, place).into()),
            Op::Window(window) => window::Window::resolve(window, place)
                .map(|window| plane::PlaneWindow::new(&window).map_or_else(|| window.into(), Kernel::from)),
            Op::Iota(iota) => Ok(leaf::Iota::resolve(iota, place).into()),
            Op::Pad(pad) => pad::Pad::resolve(pad, place).map(Kernel::from),
            Op::Concat(concat) => Ok(join::Concat::resolve(concat, place).into()),
            Op::Reduce(reduce) => reduce::Reduce::resolve(reduce, place).map(Kernel::from),
            Op::DotGeneral(dot) if place.output.0 == DType::I64 => Ok(contract::Contract::resolve(dot, place).into()),
            other => Ok(reference::Reference::resolve(other, place).into()),
        };
        kernel.map(|kernel| Plain { cut: kernel.as_run().cut(), kernel })
    }

    /// How many parts the work is cut into, at least 1; by shape alone.
    pub(crate) fn n_parts(&self) -> usize {
        self.cut.n_parts()
    }

    /// Which elements of the output a part writes; together the parts write each element once.
    pub(crate) fn part_range(&self, part: usize) -> Range<usize> {
        self.cut.elements(part)
    }

    /// Words of memory that a part needs while it is computed.
    pub(crate) fn n_scratch(&self) -> usize {
        self.kernel.as_run().n_scratch()
    }

    /// Computes one part into `out`, the output's elements in [`Plain::part_range`]; all of them are written.
    ///
    /// # Errors
    /// A position outside its axis. If any part fails then part 0 does, and with the first such position in index
    /// order: its fault is the one to report.
    pub(crate) fn run_part(
        &self,
        part: usize,
        operands: &[Data<'_>],
        out: DataMut<'_>,
        scratch: &mut [u64],
    ) -> Result<(), Fault> {
        self.kernel.as_run().run(self.cut.units(part), operands, out, &mut scratch[..self.n_scratch()])
    }

    /// Computes the whole output on this thread.
    ///
    /// # Errors
    /// As [`Plain::run_part`].
    #[cfg(test)]
    fn run(&self, operands: &[Data<'_>], mut out: DataMut<'_>) -> Result<(), Fault> {
        let mut scratch = vec![0xA5; self.n_scratch()];
        (0..self.n_parts())
            .try_for_each(|part| self.run_part(part, operands, out.range(self.part_range(part)), &mut scratch))
    }
}
