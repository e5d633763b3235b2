//! From the arrays that a program computes to the values of a sparse matrix. In: for each element of each array the number of the entry
//! that it is added to, or none. Out: those additions in an order that depends on nothing but the pattern.
//!
//! Entries of a regular problem are made of few arrays: those of a chain of its diagonal and of what is below it in turn. Where for a
//! stretch of entries all arrays advance by the same step, the stretch is *woven*: it is written once, from front to back, whatever number
//! of arrays it is made of. What is left at the ends is added by runs with even distances, and what has no order, element by element.

use std::ops::Add;

use smallvec::SmallVec;

/// What entries are made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Part<'a> {
    /// The elements of an array.
    Array(&'a [Option<u32>]),
    /// The same number everywhere.
    Constant(&'a [Option<u32>], f64),
}

/// How entries are added up.
#[derive(Debug, Clone)]
pub(super) enum Assembly {
    /// Stretches first, then runs.
    Ordered { stretches: Vec<Stretch>, runs: Vec<Run> },
    /// Elements of each part with their entries.
    Scattered(Vec<(Source, Vec<(u32, u32)>)>),
}

/// Where numbers come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Source {
    /// The array with this number.
    Array(usize),
    Constant(f64),
}

/// Elements of one part that are added to entries at even distances.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Run {
    source: Source,
    start: usize,
    len: usize,
    entry: usize,
    /// From an entry to the next.
    step: usize,
    /// Whether nothing was added to these entries before.
    is_first: bool,
}

/// Entries from `entry` on, of which each period of as many as there are slots is made alike.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stretch {
    entry: usize,
    n_periods: usize,
    slots: Vec<Slot>,
}

/// What an entry of period k is: a constant and the element `start + k` of each of some arrays.
#[derive(Debug, Clone, PartialEq, Default)]
struct Slot {
    constant: f64,
    /// The number of each array, and where in it the first period has its element.
    elements: SmallVec<[(usize, usize); 4]>,
}

/// Runs of fewer elements than this on average are slower than single additions.
const MIN_RUN: usize = 8;
/// Stretches of fewer periods are left to runs.
const MIN_PERIODS: usize = 16;
/// The longest period that is woven.
const MAX_SLOTS: usize = 4;
/// So many periods are woven at once, in memory of the first level.
const BLOCK: usize = 128;

impl Assembly {
    pub(super) fn new(parts: &[Part<'_>], n_entries: usize) -> Assembly {
        let mut n_arrays = 0;
        let mut source = |part: &Part<'_>| match part {
            Part::Array(_) => {
                n_arrays += 1;
                Source::Array(n_arrays - 1)
            }
            Part::Constant(_, number) => Source::Constant(*number),
        };
        let sources: Vec<(Source, &[Option<u32>])> = parts.iter().map(|part| (source(part), part.entries())).collect();
        let n_added: usize = sources.iter().map(|(_, entries)| entries.iter().flatten().count()).sum();
        match progressions(&sources, n_added / MIN_RUN + 2 * sources.len()) {
            Some(runs) => ordered(runs, n_entries),
            None => scattered(&sources),
        }
    }

    /// Adds up the elements of the arrays.
    pub(super) fn add_up<T: Number>(&self, arrays: &[&[T]], values: &mut [T]) {
        match self {
            Assembly::Ordered { stretches, runs } => {
                stretches.iter().for_each(|stretch| stretch.weave(arrays, values));
                runs.iter().for_each(|run| run.add(arrays, values));
            }
            Assembly::Scattered(parts) => {
                values.fill(T::default());
                for (source, pairs) in parts {
                    match source {
                        Source::Array(number) => {
                            let elements = arrays[*number];
                            pairs
                                .iter()
                                .for_each(|(element, entry)| values[*entry as usize] += elements[*element as usize]);
                        }
                        Source::Constant(number) => {
                            pairs.iter().for_each(|(_, entry)| values[*entry as usize] += T::of(*number));
                        }
                    }
                }
            }
        }
    }
}

/// A float of values.
pub(super) trait Number: Copy + Default + Add<Output = Self> + std::ops::AddAssign {
    fn of(number: f64) -> Self;
}

impl Number for f32 {
    fn of(number: f64) -> f32 {
        number as f32
    }
}

impl Number for f64 {
    fn of(number: f64) -> f64 {
        number
    }
}

impl<'a> Part<'a> {
    fn entries(&self) -> &'a [Option<u32>] {
        match self {
            Part::Array(entries) | Part::Constant(entries, _) => entries,
        }
    }
}

impl Run {
    fn end(&self) -> usize {
        self.entry + (self.len - 1) * self.step + 1
    }

    fn add<T: Number>(&self, arrays: &[&[T]], values: &mut [T]) {
        let entries = values[self.entry..].iter_mut().step_by(self.step).take(self.len);
        match self.source {
            Source::Array(number) => {
                let elements = &arrays[number][self.start..self.start + self.len];
                match self.is_first {
                    true => entries.zip(elements).for_each(|(entry, element)| *entry = *element),
                    false => entries.zip(elements).for_each(|(entry, element)| *entry += *element),
                }
            }
            Source::Constant(number) => match self.is_first {
                true => entries.for_each(|entry| *entry = T::of(number)),
                false => entries.for_each(|entry| *entry += T::of(number)),
            },
        }
    }

    /// One element longer, if the next entry goes on as those before.
    fn with(self, entry: usize) -> Option<Run> {
        let distance = entry.checked_sub(self.entry + (self.len - 1) * self.step)?;
        let fits = distance > 0 && (self.len == 1 || distance == self.step);
        fits.then_some(Run { len: self.len + 1, step: distance, ..self })
    }

    /// The first so many elements, if there are any.
    fn head(self, len: usize) -> Option<Run> {
        (len > 0).then_some(Run { len, ..self })
    }

    /// What follows the first so many elements, if anything.
    fn tail(self, skipped: usize) -> Option<Run> {
        let (start, entry) = (self.start + skipped, self.entry + skipped * self.step);
        (skipped < self.len).then(|| Run { start, entry, len: self.len - skipped, ..self })
    }
}

impl Stretch {
    fn weave<T: Number>(&self, arrays: &[&[T]], values: &mut [T]) {
        let values = &mut values[self.entry..self.entry + self.n_periods * self.slots.len()];
        match self.slots.len() {
            1 => self.weave_slots::<1, T>(arrays, values),
            2 => self.weave_slots::<2, T>(arrays, values),
            3 => self.weave_slots::<3, T>(arrays, values),
            _ => self.weave_slots::<MAX_SLOTS, T>(arrays, values),
        }
    }

    fn weave_slots<const N: usize, T: Number>(&self, arrays: &[&[T]], values: &mut [T]) {
        let mut sums = [[T::default(); BLOCK]; N];
        let (periods, _) = values.as_chunks_mut::<N>();
        for (number, block) in periods.chunks_mut(BLOCK).enumerate() {
            let n = block.len();
            let part = |array: usize, start: usize| &arrays[array][start + number * BLOCK..][..n];
            for (sums, slot) in sums.iter_mut().zip(&self.slots) {
                let sums = &mut sums[..n];
                match slot.elements[..] {
                    [] => sums.fill(T::of(slot.constant)),
                    [_] if slot.constant == 0.0 => {}
                    [(array, start), ref others @ ..] => {
                        let constant = T::of(slot.constant);
                        sums.iter_mut().zip(part(array, start)).for_each(|(sum, element)| *sum = constant + *element);
                        for (array, start) in others {
                            sums.iter_mut().zip(part(*array, *start)).for_each(|(sum, element)| *sum += *element);
                        }
                    }
                }
            }
            let of_slot = |slot: usize| match self.slots[slot].elements[..] {
                [(array, start)] if self.slots[slot].constant == 0.0 => part(array, start),
                _ => &sums[slot][..n],
            };
            let slots: [&[T]; N] = std::array::from_fn(of_slot);
            for (k, period) in block.iter_mut().enumerate() {
                *period = std::array::from_fn(|slot| slots[slot][k]);
            }
        }
    }
}

fn scattered(sources: &[(Source, &[Option<u32>])]) -> Assembly {
    let pairs = |entries: &[Option<u32>]| {
        entries.iter().enumerate().filter_map(|(element, entry)| Some((element as u32, (*entry)?))).collect()
    };
    Assembly::Scattered(sources.iter().map(|(source, entries)| (*source, pairs(entries))).collect())
}

/// The elements of each part in runs as long as they go, if there are no more than so many.
fn progressions(sources: &[(Source, &[Option<u32>])], max_runs: usize) -> Option<Vec<Run>> {
    let mut runs: Vec<Run> = Vec::new();
    for (source, entries) in sources {
        let mut open: Option<Run> = None;
        for (start, entry) in entries.iter().enumerate() {
            let longer = entry.and_then(|entry| open?.with(entry as usize));
            if longer.is_none() {
                runs.extend(open);
            }
            let begun =
                |entry: u32| Run { source: *source, start, len: 1, entry: entry as usize, step: 1, is_first: false };
            open = longer.or_else(|| entry.map(begun));
            if runs.len() > max_runs {
                return None;
            }
        }
        runs.extend(open);
    }
    Some(runs)
}

/// Stretches where runs of one step fill all entries, and the runs that are left.
fn ordered(runs: Vec<Run>, n_entries: usize) -> Assembly {
    let mut bounds: Vec<usize> = runs.iter().flat_map(|run| [run.entry, run.end()]).collect();
    bounds.sort_unstable();
    bounds.dedup();
    let mut by_entry = runs;
    // Stable, so that sums keep the order of the parts.
    by_entry.sort_by_key(|run| run.entry);
    let (mut stretches, mut left) = (Vec::new(), Vec::new());
    let (mut active, mut next): (Vec<Run>, usize) = (Vec::new(), 0);
    for window in bounds.windows(2) {
        while let Some(run) = by_entry.get(next).filter(|run| run.entry <= window[0]) {
            active.push(*run);
            next += 1;
        }
        if let Some(stretch) = stretch(&active, (window[0], window[1])) {
            let (entry, end) = (stretch.entry, stretch.entry + stretch.n_periods * stretch.slots.len());
            let mut rest = Vec::with_capacity(active.len());
            for run in active {
                let skipped = entry.saturating_sub(run.entry).div_ceil(run.step);
                left.extend(run.head(skipped));
                rest.extend(run.tail((end - run.entry).div_ceil(run.step)));
            }
            active = rest;
            stretches.push(stretch);
        }
        let (done, going): (Vec<Run>, Vec<Run>) = active.into_iter().partition(|run| run.end() <= window[1]);
        left.extend(done);
        active = going;
    }
    left.extend(active);
    let runs = marked(left, &stretches, n_entries);
    Assembly::Ordered { stretches, runs }
}

/// The stretch between two bounds, if all runs that reach over them have one step and fill every entry.
fn stretch(active: &[Run], (from, to): (usize, usize)) -> Option<Stretch> {
    let step = active.first()?.step;
    let n_periods = (to - from) / step;
    let reaches = |run: &Run| run.step == step && run.entry <= from && run.end() >= to;
    if step > MAX_SLOTS || n_periods < MIN_PERIODS || !active.iter().all(reaches) {
        return None;
    }
    let mut slots: Vec<Option<Slot>> = vec![None; step];
    for run in active {
        let skipped = (from - run.entry).div_ceil(step);
        let slot = slots[run.entry + skipped * step - from].get_or_insert_default();
        match run.source {
            Source::Array(array) => slot.elements.push((array, run.start + skipped)),
            Source::Constant(number) => slot.constant += number,
        }
    }
    let slots = slots.into_iter().collect::<Option<Vec<Slot>>>()?;
    Some(Stretch { entry: from, n_periods, slots })
}

/// The runs that are left, cut where some of their entries are the first to be written and others are not.
fn marked(runs: Vec<Run>, stretches: &[Stretch], n_entries: usize) -> Vec<Run> {
    let mut is_written = vec![false; n_entries];
    for stretch in stretches {
        is_written[stretch.entry..stretch.entry + stretch.n_periods * stretch.slots.len()].fill(true);
    }
    let mut marked: Vec<Run> = Vec::new();
    for run in runs {
        let mut begin = 0;
        let mut firsts = Vec::with_capacity(run.len);
        for k in 0..run.len {
            firsts.push(!std::mem::replace(&mut is_written[run.entry + k * run.step], true));
        }
        for k in 1..=run.len {
            if k == run.len || firsts[k] != firsts[begin] {
                let piece = run.tail(begin).and_then(|run| run.head(k - begin));
                marked.extend(piece.map(|run| Run { is_first: firsts[begin], ..run }));
                begin = k;
            }
        }
    }
    marked
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Elements with the entries that they are added to: in even steps for most, with gaps and without order for some.
    fn random_entries(rng: &mut ChaCha8Rng, n_entries: usize) -> Vec<Option<u32>> {
        let step = rng.random_range(1..7);
        let first = rng.random_range(0..n_entries);
        let mut entries: Vec<Option<u32>> = (first..n_entries).step_by(step).map(|entry| Some(entry as u32)).collect();
        entries.truncate(rng.random_range(1..=entries.len()));
        if rng.random_range(0..3) == 0 {
            let at = rng.random_range(0..entries.len());
            entries[at] = None;
        }
        if rng.random_range(0..8) == 0 {
            entries.iter_mut().for_each(|entry| *entry = Some(rng.random_range(0..n_entries as u32)));
        }
        entries
    }

    #[test]
    fn sums_are_those_of_single_additions() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let (mut n_woven, mut n_scattered) = (0, 0);
        for round in 0..600 {
            let n_entries = rng.random_range(1..900);
            let entries: Vec<Vec<Option<u32>>> =
                (0..rng.random_range(1..7)).map(|_| random_entries(&mut rng, n_entries)).collect();
            // Small integers, whose sums are exact in any order.
            let arrays: Vec<Vec<f64>> = entries
                .iter()
                .map(|entries| entries.iter().map(|_| f64::from(rng.random_range(-50..50))).collect())
                .collect();
            let mut expected = vec![0.0; n_entries];
            let (mut parts, mut computed) = (Vec::new(), Vec::new());
            for (number, (entries, array)) in entries.iter().zip(&arrays).enumerate() {
                let is_constant = number % 3 == round % 3;
                for (entry, element) in entries.iter().zip(array) {
                    if let Some(entry) = entry {
                        expected[*entry as usize] += if is_constant { 7.0 } else { *element };
                    }
                }
                if is_constant {
                    parts.push(Part::Constant(entries, 7.0));
                } else {
                    parts.push(Part::Array(entries));
                    computed.push(array);
                }
            }
            // Every entry of a pattern has a part in something.
            let everywhere: Vec<Option<u32>> = (0..n_entries as u32).map(Some).collect();
            parts.push(Part::Constant(&everywhere, 1.0));
            expected.iter_mut().for_each(|sum| *sum += 1.0);
            let assembly = Assembly::new(&parts, n_entries);
            match &assembly {
                Assembly::Ordered { stretches, .. } => n_woven += usize::from(!stretches.is_empty()),
                Assembly::Scattered(_) => n_scattered += 1,
            }
            let mut values = vec![f64::NAN; n_entries];
            let computed: Vec<&[f64]> = computed.iter().map(|array| &array[..]).collect();
            assembly.add_up(&computed, &mut values);
            assert_eq!(values, expected, "round {round}");
        }
        assert!(n_woven > 50 && n_scattered > 10, "{n_woven} are woven, {n_scattered} scattered");
    }

    #[test]
    fn a_chain_is_woven_but_for_its_ends() {
        let n = 1000u32;
        let diagonal: Vec<Option<u32>> = (0..n - 1).map(|i| Some(2 * i)).collect();
        let below: Vec<Option<u32>> = (0..n - 1).map(|i| Some(2 * i + 1)).collect();
        let right: Vec<Option<u32>> = (1..n).map(|i| Some(2 * i)).collect();
        let parts = [Part::Array(&diagonal), Part::Array(&below), Part::Constant(&right, 200.0)];
        let Assembly::Ordered { stretches, runs } = Assembly::new(&parts, 2 * n as usize - 1) else {
            panic!("it has order")
        };
        // All three parts reach over the entries 2 to 1995.
        assert_eq!((stretches.len(), stretches[0].n_periods, stretches[0].slots.len()), (1, n as usize - 3, 2));
        assert_eq!(runs.iter().map(|run| run.len).sum::<usize>(), 6, "{runs:?}");
    }
}
