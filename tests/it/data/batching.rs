//! Which examples come together, in which order, and that a thread that makes them ahead changes nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use pullback::{
    DType,
    data::{Batch, Batching, Column, DataError, Dataset, IteratorSource, Source},
};

/// `n` examples that are their row, with lists of lengths that go up and down.
fn numbered(n: usize) -> Dataset {
    let rows: Vec<i64> = (0..n as i64).collect();
    let lists = (0..n).map(|row| vec![row as i64 + 1; row * 7 % 11]);
    Dataset::new().column("row", rows).unwrap().lists("list", lists, 0).unwrap()
}

/// The same numbers from an iterator.
fn iterated(n: usize) -> IteratorSource<'static> {
    let columns = [Column::new("row", DType::I64, ())];
    IteratorSource::new(columns, move |_| (0..n as i64).map(|row| Ok(vec![row.into()]))).unwrap()
}

fn rows(batching: &Batching, source: &dyn Source, seed: u64, epoch: u64) -> Vec<Vec<usize>> {
    batching.epoch(source, seed, epoch).unwrap().map(|batch| batch.unwrap().rows().to_vec()).collect()
}

fn sorted(batches: &[Vec<usize>]) -> Vec<usize> {
    let mut rows: Vec<usize> = batches.iter().flatten().copied().collect();
    rows.sort_unstable();
    rows
}

fn all_orders(size: usize) -> [Batching; 5] {
    let new = || Batching::new(size);
    [new(), new().in_order(), new().shuffled_within(3), new().by_length(4), new().continued()]
}

#[test]
fn every_order_has_each_example_at_most_once_and_is_decided_by_seed_and_epoch() {
    for n in [0, 1, 5, 40, 101] {
        let source = numbered(n);
        for batching in all_orders(8).into_iter().chain(all_orders(8).map(Batching::drop_last)) {
            let first = rows(&batching, &source, 3, 1);
            assert_eq!(first, rows(&batching, &source, 3, 1), "{batching} of {n}");
            let text = batching.to_string();
            let is_whole = !text.contains("dropped") && !text.contains("continued");
            let n_seen = if is_whole { n } else { n / 8 * 8 };
            let mut seen = sorted(&first);
            assert_eq!(seen.len(), n_seen, "{batching} of {n}");
            seen.dedup();
            assert_eq!(seen.len(), n_seen, "{batching} of {n}");
            // All are whole but the last.
            assert!(first.iter().rev().skip(1).all(|batch| batch.len() == 8), "{batching} of {n}");
            let is_random = text.contains("random") || text.contains("length");
            // Few examples may come in one order twice.
            if n >= 40 {
                assert_eq!(rows(&batching, &source, 3, 2) != first, is_random, "{batching} of {n}");
                assert_eq!(rows(&batching, &source, 4, 1) != first, is_random, "{batching} of {n}");
            }
        }
    }
}

/// Trainings of recorded seeds depend on it: the shuffle of rand, by ChaCha8 with the seed as key and the epoch as stream.
#[test]
fn the_order_of_an_epoch_is_the_one_that_is_promised() {
    for (seed, epoch) in [(0, 0), (0, 1), (7, u64::MAX)] {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(epoch);
        let mut expected: Vec<usize> = (0..101).collect();
        expected.shuffle(&mut rng);
        assert_eq!(rows(&Batching::new(10), &numbered(101), seed, epoch).concat(), expected);
    }
}

#[test]
fn a_known_end_and_an_unknown_one_give_the_same_batches() {
    for n in [0, 1, 7, 8, 23, 24, 25, 100] {
        for batching in [Batching::new(8).in_order(), Batching::new(8).shuffled_within(3)] {
            for batching in [batching.clone(), batching.drop_last()] {
                let (known, unknown) = (numbered(n), iterated(n));
                assert_eq!(rows(&batching, &known, 5, 2), rows(&batching, &unknown, 5, 2), "{batching} of {n}");
                let batches = batching.epoch(&unknown, 5, 2).unwrap();
                for batch in batches.map(Result::unwrap) {
                    let expected: Vec<i64> = batch.rows().iter().map(|row| *row as i64).collect();
                    assert_eq!(batch["row"], expected.into());
                }
            }
        }
    }
    let source = iterated(9);
    for batching in [Batching::new(4), Batching::new(4).by_length(2), Batching::new(4).continued()] {
        assert!(matches!(batching.epoch(&source, 0, 0).map(drop), Err(DataError::UnknownLength)), "{batching}");
    }
    for odd in [Batching::new(0), Batching::new(3).shuffled_within(0), Batching::new(3).by_length(0)] {
        assert!(matches!(odd.epoch(&source, 0, 0).map(drop), Err(DataError::EmptyBatch)), "{odd}");
    }
}

/// The mean of how much of a batch is padding, over random lengths, is a fraction of that of random batches; batches come in
/// random order all the same.
#[test]
fn batches_by_length_pad_little() {
    let lists = (0..600usize).map(|row| vec![1i64; row * 7919 % 100]);
    let source = Dataset::new().lists("token", lists, 0).unwrap();
    let padding = |batching: Batching| -> (usize, Vec<usize>) {
        let batches = batching.epoch(&source, 1, 0).unwrap().map(Result::unwrap);
        let one = |batch: Batch| {
            let mask: ndarray::ArrayView2<bool> = batch.array("token_mask").unwrap();
            (mask.iter().filter(|is_there| !**is_there).count(), mask.ncols())
        };
        let batches: Vec<(usize, usize)> = batches.map(one).collect();
        (batches.iter().map(|batch| batch.0).sum(), batches.iter().map(|batch| batch.1).collect())
    };
    let (random, _) = padding(Batching::new(20));
    let (sorted, lengths) = padding(Batching::new(20).by_length(10));
    assert!(sorted * 5 < random, "{sorted} and {random}");
    assert!(!lengths.is_sorted() && !lengths.is_sorted_by(|a, b| a >= b), "{lengths:?}");
}

#[test]
fn lists_are_padded_to_a_multiple_and_masked() {
    let lists = [vec![1.5f64], vec![], vec![2.5, 3.5, 4.5]];
    let padding = pullback::data::ListPadding::new(-1.0).multiple_of(4);
    let source = Dataset::new().lists("x", lists, padding).unwrap();
    let batch = source.batch(&[2, 0, 1], 0).unwrap();
    let rows = ndarray::array![[2.5, 3.5, 4.5, -1.0], [1.5, -1.0, -1.0, -1.0], [-1.0, -1.0, -1.0, -1.0]];
    assert_eq!(batch["x"], rows.clone().into());
    assert_eq!(batch["x_mask"], rows.mapv(|x| x > 0.0).into());
    assert_eq!([0, 1, 2, 3].map(|row| source.length(row)), [Some(1), Some(0), Some(3), None]);
    let part = source.select(&[2, 1]).unwrap();
    assert_eq!(part.batch(&[0, 1], 0).unwrap()["x"].shape(), [2, 4]);
    assert_eq!([0, 1].map(|row| part.length(row)), [Some(3), Some(0)]);
    assert_eq!(source.batch(&[1], 0).unwrap()["x"].shape(), [1, 0]);
    let error = source.lists("x", [vec![0.0]], 0.0).unwrap_err();
    assert_eq!(error.to_string(), "two columns are named `x`");
}

#[test]
fn batches_that_are_skipped_are_those_that_would_have_come() {
    let (known, unknown) = (numbered(61), iterated(61));
    let sources: [(&dyn Source, Vec<Batching>); 2] = [
        (&known, all_orders(4).to_vec()),
        (&unknown, vec![Batching::new(4).in_order(), Batching::new(4).shuffled_within(3)]),
    ];
    for (source, batchings) in sources {
        for batching in batchings {
            let all = rows(&batching, source, 9, 4);
            for n in [0, 1, 2, 3, 5, 8, 15, 16, 17, usize::MAX / 8] {
                let batches = batching.epoch(source, 9, 4).unwrap().skip_batches(n);
                let rest: Vec<Vec<usize>> = batches.map(|batch| batch.unwrap().rows().to_vec()).collect();
                assert_eq!(rest, all[n.min(all.len())..], "{batching} without {n}");
            }
            let batches = batching.epoch(source, 9, 4).unwrap().skip_batches(2).skip_batches(5);
            let rest: Vec<Vec<usize>> = batches.map(|batch| batch.unwrap().rows().to_vec()).collect();
            assert_eq!(rest, all[7..], "{batching}");
        }
    }
}

#[test]
fn batches_made_ahead_are_the_same_in_the_same_order() {
    let (known, unknown) = (numbered(61), iterated(61));
    let sources: [(&dyn Source, Vec<Batching>); 2] = [
        (&known, all_orders(4).to_vec()),
        (&unknown, vec![Batching::new(4).in_order(), Batching::new(4).shuffled_within(3)]),
    ];
    for (source, batchings) in sources {
        for batching in batchings {
            let here: Vec<Batch> = batching.epoch(source, 2, 7).unwrap().map(Result::unwrap).collect();
            for n_ahead in [0, 1, 2, 100] {
                let there: Vec<Batch> = thread::scope(|scope| {
                    batching.epoch(source, 2, 7).unwrap().prefetch(scope, n_ahead).map(Result::unwrap).collect()
                });
                assert_eq!(there, here, "{batching}, {n_ahead} ahead");
            }
        }
    }
}

/// Counts what it is asked for, and fails or panics at a row.
struct Failing {
    columns: [Column; 1],
    row: usize,
    is_panic: bool,
    n_asked: AtomicUsize,
}

impl Failing {
    fn at(row: usize, is_panic: bool) -> Failing {
        Failing { columns: [Column::new("x", DType::F32, ())], row, is_panic, n_asked: AtomicUsize::new(0) }
    }
}

impl Source for Failing {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn n_examples(&self) -> Option<usize> {
        Some(1000)
    }

    fn batch(&self, rows: &[usize], _: u64) -> Result<Batch, DataError> {
        self.n_asked.fetch_add(1, Ordering::SeqCst);
        if rows.contains(&self.row) {
            assert!(!self.is_panic, "row {}", self.row);
            return Err(DataError::other("a broken row", "why"));
        }
        Batch::new().column("x", vec![0.0f32; rows.len()])
    }
}

#[test]
fn errors_and_panics_of_the_thread_reach_the_caller_and_end_the_batches() {
    for (is_panic, expected) in
        [(false, "a broken row"), (true, "the source panicked while batches were made ahead: row 25")]
    {
        let source = Failing::at(25, is_panic);
        let results: Vec<Result<Batch, DataError>> = thread::scope(|scope| {
            Batching::new(10).in_order().epoch(&source, 0, 0).unwrap().prefetch(scope, 4).collect()
        });
        assert_eq!(results.len(), 3);
        assert!(results[..2].iter().all(Result::is_ok));
        assert_eq!(results[2].as_ref().unwrap_err().to_string(), expected);
    }
}

/// Neither does it hang, nor are all batches made that nobody takes: at most those ahead, the one at work and the next.
#[test]
fn a_thread_ends_where_its_batches_are_dropped() {
    for n_ahead in [1, 3] {
        let source = Failing::at(usize::MAX, false);
        thread::scope(|scope| {
            let mut batches = Batching::new(10).in_order().epoch(&source, 0, 0).unwrap().prefetch(scope, n_ahead);
            batches.next().unwrap().unwrap();
        });
        let n_asked = source.n_asked.load(Ordering::SeqCst);
        assert!(n_asked <= n_ahead + 2, "{n_asked} with {n_ahead} ahead");
    }
}

#[test]
fn a_source_that_gives_other_than_it_is_asked_for_is_told() {
    struct Short([Column; 1]);
    impl Source for Short {
        fn columns(&self) -> &[Column] {
            &self.0
        }
        fn n_examples(&self) -> Option<usize> {
            Some(10)
        }
        fn batch(&self, rows: &[usize], _: u64) -> Result<Batch, DataError> {
            Batch::new().column("x", vec![0.0f32; rows.len() - 1])
        }
    }
    let source: Arc<dyn Source> = Arc::new(Short([Column::new("x", DType::F32, ())]));
    let error = Batching::new(4).epoch(&source, 0, 0).unwrap().next().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "a source was asked for 4 examples, and gave 3");
    let odd = numbered(3);
    assert!(matches!(odd.batch(&[0, 3], 0), Err(DataError::NoRow { row: 3, n_examples: 3 })));
    assert!(matches!(odd.select(&[7]), Err(DataError::NoRow { row: 7, .. })));
    let batch = odd.batch(&[2, 0], 0).unwrap();
    assert!(matches!(batch.select(&[2]), Err(DataError::NoRow { row: 2, n_examples: 2 })));
    let error = batch.array::<f32, ndarray::Ix1>("row").unwrap_err().to_string();
    assert_eq!(error, "column `row` is i64[2], not f32 of 1 axes");
    let error = batch.array::<i64, ndarray::Ix1>("rows").unwrap_err().to_string();
    assert_eq!(error, "no column is named `rows`; the nearest name is `row`");
}
