//! From the arrays that a program computes to the values of a sparse matrix. In: for each element of each array the number of the entry
//! that it is added to, or none. Out: those additions, as runs with even distances where there are such.

use std::ops::Add;

/// Elements of one array that are added to entries at even distances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    array: usize,
    start: usize,
    len: usize,
    entry: usize,
    /// From an entry to the next.
    step: usize,
    /// Whether nothing was added to these entries before.
    is_first: bool,
}

/// How entries are added up, in an order that depends on nothing but the pattern.
#[derive(Debug, Clone)]
pub(super) enum Assembly {
    /// Every entry is written by a run that is the first.
    Runs(Vec<Run>),
    /// For each array pairs of an element and its entry.
    Pairs(Vec<Vec<(u32, u32)>>),
}

/// Runs of fewer elements than this on average are slower than single additions.
const MIN_RUN: usize = 8;

impl Assembly {
    /// For each array the entries of its elements.
    pub(super) fn new(arrays: &[&[Option<u32>]], n_entries: usize) -> Assembly {
        let n_added: usize = arrays.iter().map(|entries| entries.iter().flatten().count()).sum();
        runs(arrays, n_entries, n_added / MIN_RUN + arrays.len()).map_or_else(|| pairs(arrays), Assembly::Runs)
    }

    /// Adds up the elements of the arrays.
    pub(super) fn add_up<'a, T>(&self, array: impl Fn(usize) -> &'a [T], values: &mut [T])
    where
        T: Copy + Default + Add<Output = T> + 'a,
    {
        match self {
            Assembly::Runs(runs) => runs.iter().for_each(|run| run.add(array(run.array), values)),
            Assembly::Pairs(arrays) => {
                values.fill(T::default());
                for (number, pairs) in arrays.iter().enumerate() {
                    let elements = array(number);
                    for (element, entry) in pairs {
                        let sum = &mut values[*entry as usize];
                        *sum = *sum + elements[*element as usize];
                    }
                }
            }
        }
    }
}

impl Run {
    fn add<T: Copy + Add<Output = T>>(&self, array: &[T], values: &mut [T]) {
        let elements = &array[self.start..self.start + self.len];
        let entries = values[self.entry..].iter_mut().step_by(self.step);
        match self.is_first {
            true => entries.zip(elements).for_each(|(entry, element)| *entry = *element),
            false => entries.zip(elements).for_each(|(entry, element)| *entry = *entry + *element),
        }
    }
}

fn pairs(arrays: &[&[Option<u32>]]) -> Assembly {
    let of_array = |entries: &&[Option<u32>]| {
        entries.iter().enumerate().filter_map(|(element, entry)| Some((element as u32, (*entry)?))).collect()
    };
    Assembly::Pairs(arrays.iter().map(of_array).collect())
}

/// The runs, if there are no more than so many.
fn runs(arrays: &[&[Option<u32>]], n_entries: usize, max_runs: usize) -> Option<Vec<Run>> {
    let mut is_written = vec![false; n_entries];
    let mut runs: Vec<Run> = Vec::new();
    for (array, entries) in arrays.iter().enumerate() {
        let mut open: Option<Run> = None;
        for (start, entry) in entries.iter().enumerate() {
            let Some(entry) = entry.map(|entry| entry as usize) else {
                runs.extend(open.take());
                continue;
            };
            let is_first = !std::mem::replace(&mut is_written[entry], true);
            let longer = open.and_then(|run| run.with(entry, is_first));
            if longer.is_none() {
                runs.extend(open);
            }
            open = Some(longer.unwrap_or(Run { array, start, len: 1, entry, step: 1, is_first }));
            if runs.len() > max_runs {
                return None;
            }
        }
        runs.extend(open);
    }
    Some(runs)
}

impl Run {
    /// One element longer, if the next entry goes on as those before.
    fn with(self, entry: usize, is_first: bool) -> Option<Run> {
        let distance = entry.checked_sub(self.entry + (self.len - 1) * self.step)?;
        let fits = self.is_first == is_first && distance > 0 && (self.len == 1 || distance == self.step);
        fits.then_some(Run { len: self.len + 1, step: distance, ..self })
    }
}
