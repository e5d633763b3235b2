//! Mutants of files: thousands of each format, seeded. A reader takes those that a second, plainer one takes, with the
//! same numbers, and refuses all others within their bytes, with memory in proportion to these.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use pullback::data::{
    DataError, Dataset,
    cifar::{self, Cifar},
    csv::{self, Format},
    idx::{self, IdxArray},
    mnist, read_digits,
};
use rand::RngExt;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{Table, bytes};
use crate::allocation::peak;

const N_RANDOM: usize = 3000;
/// What a reader may hold whatever it reads: a chunk, and the window and tables of the decompressor.
pub(super) const CONSTANT: usize = 256 << 10;

/// The sizes of an array, and its numbers as bits.
type Numbers = (Vec<usize>, Vec<u64>);

/// What the plainer reader says.
#[derive(Debug, PartialEq)]
enum Truth {
    Valid(Numbers),
    Invalid,
    /// Beyond the plainer reader; only place and memory are looked at.
    Unknown,
}

struct Subject {
    name: &'static str,
    valid: Vec<u8>,
    /// The bytes whose every value is tried.
    n_header: usize,
    read: fn(&[u8]) -> Result<Numbers, DataError>,
    truth: fn(&[u8]) -> Truth,
    /// How much may be held for a byte, after decompression.
    multiple: usize,
}

impl Subject {
    fn check_all(&self) {
        assert!(matches!((self.truth)(&self.valid), Truth::Valid(_)), "{}", self.name);
        self.check(&self.valid);
        for length in 0..self.valid.len() {
            self.check(&self.valid[..length]);
        }
        for position in 0..self.n_header {
            for byte in 0..=255 {
                let mut mutant = self.valid.clone();
                mutant[position] = byte;
                self.check(&mutant);
            }
        }
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        for _ in 0..N_RANDOM {
            self.check(&mutate(&self.valid, &mut rng));
        }
    }

    fn check(&self, mutant: &[u8]) {
        let (result, held) = peak(|| (self.read)(mutant));
        let n_bytes = decompress(mutant).0.len();
        let bound = self.multiple * n_bytes.max(mutant.len()) + CONSTANT;
        assert!(held <= bound, "{}: held {held} for {n_bytes} bytes: {mutant:?}", self.name);
        if let Some(place) = result.as_ref().err().and_then(DataError::place) {
            assert!(place.offset <= n_bytes as u64, "{}: {place} of {n_bytes}: {mutant:?}", self.name);
        }
        match ((self.truth)(mutant), result) {
            (Truth::Valid(want), Ok(found)) => assert!(found == want, "{}: {mutant:?}", self.name),
            (Truth::Invalid, Err(_)) | (Truth::Unknown, _) => {}
            (truth, found) => panic!("{}: {found:?} instead of {truth:?}: {mutant:?}", self.name),
        }
    }
}

/// One to four changes of one kind each: bytes set, left out, put in or repeated.
fn mutate(valid: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut mutant = valid.to_vec();
    for _ in 0..rng.random_range(1..=4) {
        let position = rng.random_range(0..=mutant.len());
        let end = (position + rng.random_range(1..=8)).min(mutant.len());
        match rng.random_range(0..5) {
            0 => mutant[position..end].fill_with(|| rng.random()),
            1 => drop(mutant.drain(position..end)),
            2 => mutant.insert(position, rng.random()),
            3 => mutant.extend_from_within(position..end),
            _ => mutant[position..end].iter_mut().for_each(|byte| *byte ^= 1 << rng.random_range(0..8)),
        }
    }
    mutant
}

/// What gzip bytes decompress to, and whether all of them do; others as they are.
fn decompress(bytes: &[u8]) -> (Vec<u8>, bool) {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return (bytes.to_vec(), true);
    }
    let (mut decoder, mut contents, mut byte) = (MultiGzDecoder::new(bytes), Vec::new(), [0]);
    loop {
        match decoder.read(&mut byte) {
            Ok(0) => return (contents, true),
            Ok(_) => contents.push(byte[0]),
            Err(_) => return (contents, false),
        }
    }
}

fn numbers(dataset: &Dataset) -> Numbers {
    let (x, y) = (dataset.x(), dataset.label());
    let numbers = x.iter().map(|x| u64::from(x.to_bits())).chain(y.iter().map(|y| *y as u64));
    (x.shape().to_vec(), numbers.collect())
}

fn read_idx(bytes: &[u8]) -> Result<Numbers, DataError> {
    let array = idx::read_from("idx", bytes)?;
    let numbers = match &array {
        IdxArray::U8(array) => array.iter().map(|x| u64::from(*x)).collect(),
        IdxArray::I8(array) => array.iter().map(|x| u64::from(*x as u8)).collect(),
        IdxArray::I16(array) => array.iter().map(|x| u64::from(*x as u16)).collect(),
        IdxArray::I32(array) => array.iter().map(|x| u64::from(*x as u32)).collect(),
        IdxArray::F32(array) => array.iter().map(|x| u64::from(x.to_bits())).collect(),
        IdxArray::F64(array) => array.iter().map(|x| x.to_bits()).collect(),
        other => panic!("{other:?} is no type of IDX"),
    };
    Ok((array.shape().to_vec(), numbers))
}

/// The whole of an IDX file at once, by exact arithmetic on its length.
fn true_idx(bytes: &[u8]) -> Option<Numbers> {
    let (bytes, is_whole) = decompress(bytes);
    let &[0, 0, element, rank, ref rest @ ..] = &bytes[..] else { return None };
    let size = match element {
        8 | 9 => 1,
        11 => 2,
        12 | 13 => 4,
        14 => 8,
        _ => return None,
    };
    let (sizes, contents) = rest.split_at_checked(4 * usize::from(rank))?;
    let sizes = sizes.chunks(4).map(|size| u32::from_be_bytes(size.try_into().unwrap()));
    let sizes: Vec<u128> = sizes.map(u128::from).collect();
    let addressed = sizes.iter().try_fold(size, |product: u128, n| product.checked_mul((*n).max(1)))?;
    let n_bytes = if sizes.contains(&0) { 0 } else { addressed };
    let is_valid = is_whole && addressed <= isize::MAX as u128 && n_bytes == contents.len() as u128;
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let numbers = contents.chunks(size as usize).map(number).collect();
    is_valid.then(|| (sizes.iter().map(|n| *n as usize).collect(), numbers))
}

fn truth(numbers: Option<Numbers>) -> Truth {
    numbers.map_or(Truth::Invalid, Truth::Valid)
}

/// Images and labels, each an IDX file of bytes, joined.
fn true_mnist(images: &[u8], labels: &[u8]) -> Option<Numbers> {
    let is_of_bytes = |bytes: &[u8]| decompress(bytes).0[2] == 8;
    let ((shape, pixels), (n_labels, labels_read)) = (true_idx(images)?, true_idx(labels)?);
    let n = shape[..].first().copied()?;
    let is_valid = is_of_bytes(images)
        && is_of_bytes(labels)
        && shape == [n, 28, 28]
        && n_labels == [n]
        && labels_read.iter().all(|label| *label < 10);
    let pixels = pixels.iter().map(|pixel| u64::from((*pixel as f32 / 255.0).to_bits()));
    is_valid.then(|| (vec![n, 784], pixels.chain(labels_read.iter().copied()).collect()))
}

fn true_cifar(bytes: &[u8], most: &[u8], label: usize) -> Option<Numbers> {
    let examples = bytes.chunks(most.len() + 3072);
    let is_valid = |example: &[u8]| {
        example.len() == most.len() + 3072 && example.iter().zip(most).all(|(label, most)| label <= most)
    };
    let pixels = examples.clone().flat_map(|example| example.iter().skip(most.len()));
    let pixels = pixels.map(|pixel| u64::from((f32::from(*pixel) / 255.0).to_bits()));
    let labels = examples.clone().map(|example| u64::from(example.get(label).copied().unwrap_or(0)));
    let shape = vec![examples.len(), 3072];
    examples.clone().all(is_valid).then(|| (shape, pixels.chain(labels).collect()))
}

const TABLE: &str = "a,label,b\n1.5,2,-3\n\n 0.25 ,-1,1e3\n12,34,56\n";

/// Lines and cells as they are, where there is nothing that the format treats in a special way.
fn true_csv(bytes: &[u8]) -> Truth {
    if bytes.iter().any(|byte| b"\"\r".contains(byte)) || !bytes.is_ascii() {
        return Truth::Unknown;
    }
    let text = str::from_utf8(bytes).expect("it is ASCII");
    let mut lines = text.split('\n').filter(|line| !line.is_empty());
    let cells = |line: &str| -> Vec<String> {
        line.split(',').map(|cell| cell.trim_matches(|c: char| c.is_ascii_whitespace()).to_owned()).collect()
    };
    let Some(names) = lines.next().map(cells) else { return Truth::Invalid };
    let columns: Vec<usize> = (0..names.len()).filter(|column| names[*column] == "label").collect();
    let &[label] = &columns[..] else { return Truth::Invalid };
    let (mut features, mut labels) = (Vec::new(), Vec::new());
    for row in lines.map(cells) {
        if row.len() != names.len() {
            return Truth::Invalid;
        }
        for (column, cell) in row.iter().enumerate() {
            match (column == label, cell.parse::<i64>(), cell.parse::<f32>()) {
                (true, Ok(label), _) => labels.push(label as u64),
                (false, _, Ok(feature)) if feature.is_finite() => features.push(u64::from(feature.to_bits())),
                _ => return Truth::Invalid,
            }
        }
    }
    Truth::Valid((vec![labels.len(), names.len() - 1], [features, labels].concat()))
}

#[test]
fn mutants_of_idx() {
    let read = |name, valid: Vec<u8>, n_header| Subject {
        name,
        n_header,
        valid,
        read: read_idx,
        truth: |bytes| truth(true_idx(bytes)),
        multiple: 4,
    };
    let doubles: Vec<u8> = (0..48).collect();
    read("idx of f64", bytes::idx(0x0e, &[2, 3], &doubles), 12).check_all();
    read("idx of i8", bytes::idx(0x09, &[1, 2, 1, 3], &[1, 2, 3, 4, 5, 6]), 20).check_all();
    let gzip = bytes::gzip(&bytes::idx(0x0b, &[20, 3], &[7; 120]));
    let n_header = gzip.len();
    read("idx of i16, gzip", gzip, n_header).check_all();
}

#[test]
fn mutants_of_mnist() {
    let subject = |name, valid, n_header| Subject {
        name,
        valid,
        n_header,
        read: |bytes| mnist::read_from(("images", bytes), ("labels", &bytes::labels(2)[..])).map(|read| numbers(&read)),
        truth: |bytes| truth(true_mnist(bytes, &bytes::labels(2))),
        multiple: 16,
    };
    subject("images", bytes::images(2), 16).check_all();
    subject("images, gzip", bytes::gzip(&bytes::images(2)), 10).check_all();
    Subject {
        name: "labels",
        valid: bytes::labels(2),
        n_header: 10,
        read: |bytes| mnist::read_from(("images", &bytes::images(2)[..]), ("labels", bytes)).map(|read| numbers(&read)),
        truth: |bytes| truth(true_mnist(&bytes::images(2), bytes)),
        multiple: 16,
    }
    .check_all();
}

#[test]
fn mutants_of_cifar() {
    Subject {
        name: "CIFAR-10",
        valid: bytes::cifar(2, 1),
        n_header: 1,
        read: |bytes| cifar::read_from("cifar", bytes, Cifar::Ten).map(|read| numbers(&read)),
        truth: |bytes| truth(true_cifar(bytes, &[9], 0)),
        multiple: 16,
    }
    .check_all();
    Subject {
        name: "CIFAR-100",
        valid: bytes::cifar(1, 2),
        n_header: 2,
        read: |bytes| cifar::read_from("cifar", bytes, Cifar::HundredFine).map(|read| numbers(&read)),
        truth: |bytes| truth(true_cifar(bytes, &[19, 99], 1)),
        multiple: 16,
    }
    .check_all();
}

#[test]
fn mutants_of_csv() {
    Subject {
        name: "CSV",
        valid: TABLE.as_bytes().to_vec(),
        n_header: TABLE.len(),
        read: |bytes| csv::read_from::<i64>("csv", bytes, &Format::with_target("label")).map(|read| numbers(&read)),
        truth: true_csv,
        multiple: 32,
    }
    .check_all();
}

/// Gzip has a checksum, so a mutant of the digits is refused unless its contents are the same.
#[test]
fn mutants_of_digits() {
    let valid = bytes::gzip(format!("{}0\n{}9\n", "3,".repeat(64), "16,".repeat(64)).as_bytes());
    Subject {
        name: "digits",
        n_header: valid.len(),
        valid,
        read: |bytes| read_digits(bytes).map(|read| numbers(&read)),
        truth: |bytes| match decompress(bytes) {
            (contents, true) if bytes.starts_with(&[0x1f, 0x8b]) && contents.ends_with(b"16,9\n") => {
                let pixels = |pixel: f32| vec![u64::from(pixel.to_bits()); 64];
                Truth::Valid((vec![2, 64], [pixels(3.0 / 16.0), pixels(1.0), vec![0, 9]].concat()))
            }
            (_, true) if bytes.starts_with(&[0x1f, 0x8b]) => Truth::Unknown,
            _ => Truth::Invalid,
        },
        multiple: 32,
    }
    .check_all();
}
