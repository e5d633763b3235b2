//! Code of one step of a few elements, run again and again on addresses that move on evenly, as in a loop: carries alternate between two
//! buffers, or advance through a stack as slices do. In: the addresses of the first runs. Out: all runs, without looking anything up
//! between them.

#![allow(unsafe_code, reason = "steps are run by address")]

use super::Code;
use crate::plan::PlanError;

/// Runs in a row in which each address moves on by as much in every second one.
#[derive(Debug)]
pub(in crate::runtime) struct EvenRuns {
    /// The addresses of the next run and of the one behind it.
    addresses: [Vec<*mut u8>; 2],
    /// How far each moves from a run to that behind the next.
    advances: Vec<isize>,
}

impl EvenRuns {
    /// The runs whose addresses are noted, from which the others follow.
    pub(in crate::runtime) const N_KNOWN: usize = 4;

    pub(super) fn new(n_addresses: usize) -> EvenRuns {
        let addresses = || vec![std::ptr::null_mut(); n_addresses];
        EvenRuns { addresses: [addresses(), addresses()], advances: vec![0; n_addresses] }
    }
}

impl Code {
    /// Whether [`Code::run_evenly`] may be called.
    pub(in crate::runtime) fn has_even_runs(&self) -> bool {
        self.even_runs.is_some() && self.times.is_none()
    }

    /// Takes down the addresses of one of the first [`EvenRuns::N_KNOWN`] runs.
    pub(in crate::runtime) fn note_addresses(&mut self, turn: usize) {
        let Some(EvenRuns { addresses, advances }) = &mut self.even_runs else { return };
        let noted = &mut addresses[turn % 2];
        if turn < 2 {
            noted.copy_from_slice(&self.addresses);
            return;
        }
        let moved = |(now, before): (&*mut u8, &*mut u8)| (now.addr() as isize).wrapping_sub(before.addr() as isize);
        let moved = self.addresses.iter().zip(&*noted).map(moved);
        if turn == 2 {
            advances.iter_mut().zip(moved).for_each(|(advance, moved)| *advance = moved);
        } else {
            assert!(advances.iter().copied().eq(moved), "invariant: the addresses of a loop move on evenly");
        }
    }

    /// Whether the addresses are those of the last of so many runs.
    pub(in crate::runtime) fn has_run_last(&self, n_runs: usize) -> bool {
        let Some(EvenRuns { addresses, advances }) = &self.even_runs else { return false };
        let behind = addresses[(n_runs - 1) % 2].iter().zip(advances);
        behind
            .map(|(address, advance)| address.wrapping_offset(advance.wrapping_neg()))
            .eq(self.addresses.iter().copied())
    }

    /// Runs the step so many times.
    ///
    /// # Safety
    /// As for [`Code::run`], for the addresses that were noted and those that follow from them.
    pub(in crate::runtime) unsafe fn run_evenly(
        &mut self,
        n_runs: usize,
        check: impl Fn() -> Result<(), PlanError>,
    ) -> Result<(), PlanError> {
        let (Some(EvenRuns { addresses, advances }), [step]) = (&mut self.even_runs, &mut self.steps[..]) else {
            unreachable!("invariant: it was asked whether there are such runs")
        };
        for turn in 0..n_runs {
            check()?;
            let addresses = &mut addresses[turn % 2];
            // SAFETY: by this function's contract.
            unsafe { step.work.run_on(addresses, self.arena) };
            for (address, advance) in addresses.iter_mut().zip(&*advances) {
                *address = address.wrapping_offset(*advance);
            }
        }
        Ok(())
    }
}
