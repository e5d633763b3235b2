//! What a header claims costs nothing, and what goes on without end is left alone.

use std::{
    cell::Cell,
    io::{self, Read},
};

use flate2::{Compression, read::GzEncoder};
use ndarray::ArrayD;
use pullback::{
    Value,
    data::{
        DataError,
        cifar::{self, Cifar},
        csv::{self, Format},
        idx, mnist, read_digits,
    },
    io::Arrays,
};

use super::{bytes, fuzz::CONSTANT};
use crate::allocation::peak;

/// Bytes that count how many of them were taken.
struct Counted<'a, R> {
    bytes: R,
    n_taken: &'a Cell<u64>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n_bytes = self.bytes.read(buffer)?;
        self.n_taken.set(self.n_taken.get() + n_bytes as u64);
        Ok(n_bytes)
    }
}

#[test]
fn a_header_that_claims_much_costs_nothing() {
    let sizes: [&[u32]; 6] =
        [&[1 << 31], &[u32::MAX], &[1 << 20, 1 << 20], &[1 << 31, 1 << 31], &[u32::MAX; 255], &[2; 62]];
    // Less than a chunk is there, or several.
    for (sizes, n_bytes) in sizes.iter().flat_map(|sizes| [(sizes, 100), (sizes, 200_000)]) {
        for element in [0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e] {
            let plain = bytes::idx(element, sizes, &vec![0; n_bytes]);
            for file in [&plain, &bytes::gzip(&plain)] {
                let (result, held) = peak(|| idx::read_from("claims", &file[..]));
                let error = result.unwrap_err();
                let is_expected = matches!(error, DataError::Truncated { .. } | DataError::TooLarge { .. });
                assert!(is_expected, "{sizes:?}: {error}");
                assert!(held <= 4 * n_bytes + CONSTANT, "{sizes:?}: {held}");
            }
        }
    }
    let images = bytes::idx(8, &[u32::MAX, 28, 28], &[0; 100]);
    let labels = bytes::idx(8, &[u32::MAX], &[0; 100]);
    let (result, held) = peak(|| mnist::read_from(("images", &images[..]), ("labels", &labels[..])));
    assert!(matches!(result, Err(DataError::Truncated { .. })) && held <= CONSTANT, "{held}");
}

/// After the last element one byte is asked for, and no more.
#[test]
fn endless_bytes_are_not_read_on() {
    let n_taken = Cell::new(0);
    let header = bytes::idx(8, &[3], &[]);
    let endless = Counted { bytes: (&header[..]).chain(io::repeat(1)), n_taken: &n_taken };
    let error = idx::read_from("endless", endless).unwrap_err();
    assert_eq!(error.to_string(), "endless, byte 11: the file should end, but goes on");
    assert_eq!(n_taken.get(), 8 + 3 + 1);
    let error = cifar::read_from("endless", io::repeat(10), Cifar::Ten).unwrap_err();
    assert_eq!(error.to_string(), "endless, byte 0: the label is 10, but must be in 0..=9");
}

/// 32 MiB in 32 KiB: neither decompressed to their end nor held.
#[test]
fn a_bomb_stops_where_its_header_says() {
    let header = bytes::idx(8, &[1000], &[]);
    let contents = (&header[..]).chain(io::repeat(0).take(32 << 20));
    let mut bomb = Vec::new();
    GzEncoder::new(contents, Compression::best()).read_to_end(&mut bomb).unwrap();
    let n_taken = Cell::new(0);
    let counted = Counted { bytes: &bomb[..], n_taken: &n_taken };
    let (result, held) = peak(|| idx::read_from("bomb", counted));
    assert_eq!(
        result.unwrap_err().to_string(),
        "bomb, byte 1008 after decompression: the file should end, but goes on"
    );
    assert!(held <= CONSTANT, "{held}");
    // What is taken is a buffer full, of the 32 KiB that the bomb has.
    assert!(bomb.len() > 32_000 && n_taken.get() <= 32_770, "{} of {}", n_taken.get(), bomb.len());
}

/// The lines of digits do not say how many they are, nor the fields of a line: there are limits to both, so that what is held
/// is bounded by what the format can mean, and not by what the bytes decompress to.
#[test]
fn every_bomb_of_digits_stops_at_a_limit_and_is_not_held() {
    let digit = format!("{}9\n", "0,".repeat(64));
    // What of it is repeated up to 17 MiB, how it ends, and how much may be held: with all the digits that fit, these.
    let bombs = [
        ("one long number", "1", "", CONSTANT),
        ("one long row", "0,", "", CONSTANT),
        ("empty fields", ",", "", CONSTANT),
        ("an open quote", "\"", "", CONSTANT),
        ("quoted lines", "\"\n", "", CONSTANT),
        ("no digits", "\n", "", CONSTANT),
        ("carriage returns", "\r", "", CONSTANT),
        ("good digits", &digit, "", 32 << 20),
        ("good digits and a bad one", &digit, "17", 32 << 20),
    ];
    for (what, text, end, most) in bombs {
        let contents: Vec<u8> = text.bytes().cycle().take(17 << 20).chain(end.bytes()).collect();
        let mut bomb = Vec::new();
        GzEncoder::new(&contents[..], Compression::best()).read_to_end(&mut bomb).unwrap();
        let (result, held) = peak(|| read_digits(&bomb[..]));
        assert!(result.is_err(), "{what}");
        assert!(held <= most, "{what}: {held} for {} bytes", bomb.len());
    }
}

/// Names, shapes and texts of many arrays, and the arrays themselves.
#[test]
fn files_of_arrays_cost_a_multiple_of_their_size() {
    let mut arrays = Arrays::new();
    for position in 0..20_000 {
        arrays.insert(format!("{position}"), Value::F32(ArrayD::zeros(vec![0])));
    }
    arrays.note("text", "\"\n".repeat(100_000));
    let many = arrays.to_bytes().unwrap();
    let mut one = Arrays::new();
    one.insert("w", Value::Bool(ArrayD::from_elem(vec![1 << 20], true)));
    for file in [many, one.to_bytes().unwrap()] {
        let (read, held) = peak(|| Arrays::from_bytes("f", &file));
        assert!(read.is_ok() && held <= 16 * file.len() + CONSTANT, "{held} of {}", file.len());
        let (cut, held) = peak(|| Arrays::from_bytes("f", &file[..file.len() - 1]));
        assert!(cut.is_err() && held <= 16 * file.len() + CONSTANT, "{held} of {}", file.len());
    }
}

/// Members of gzip that hold nothing are gone through without depth and without being held.
#[test]
fn many_empty_members_cost_nothing() {
    let file = bytes::idx(8, &[2], &[1, 2]);
    let members = [bytes::gzip(&file), bytes::gzip(&[]).repeat(100_000)].concat();
    let (result, held) = peak(|| idx::read_from("members", &members[..]));
    assert_eq!(result.unwrap(), idx::read_from("plain", &file[..]).unwrap());
    assert!(held <= CONSTANT, "{held}");
}

/// A row of many lines is held once, with where its lines begin.
#[test]
fn a_quoted_cell_of_many_lines_costs_a_multiple_of_its_size() {
    let text = format!("a,b\n1,\"{}\"\n", "x\n".repeat(200_000));
    let (result, held) = peak(|| csv::read_from::<i64>("f", text.as_bytes(), &Format::with_target("a")));
    let error = result.unwrap_err();
    assert!(matches!(error, DataError::Cell { line: 2, column: 2, .. }), "{error}");
    assert!(held <= 32 * text.len() + CONSTANT, "{held}");
}

/// What is held is in proportion to a file that is good, too.
#[test]
fn good_files_cost_a_multiple_of_their_size() {
    let check = |name: &str, multiple: usize, file: &[u8], read: &dyn Fn(&[u8]) -> bool| {
        let (is_read, held) = peak(|| read(file));
        assert!(is_read, "{name}");
        assert!(held <= multiple * file.len() + CONSTANT, "{name}: {held} of {}", file.len());
    };
    let large = bytes::idx(0x0e, &[100_000], &vec![1; 800_000]);
    check("idx", 4, &large, &|file| idx::read_from("f", file).is_ok());
    let (images, labels) = (bytes::images(1000), bytes::idx(8, &[1000], &[3; 1000]));
    check("images", 16, &images, &|file| mnist::read_from(("f", file), ("l", &labels[..])).is_ok());
    let cifar = bytes::cifar(9, 1).repeat(50);
    check("CIFAR", 16, &cifar, &|file| cifar::read_from("f", file, Cifar::Ten).is_ok());
    let long = format!("label\n{}", "1\n".repeat(200_000));
    check("long CSV", 32, long.as_bytes(), &|file| {
        csv::read_from::<i64>("f", file, &Format::with_target("label")).is_ok()
    });
    let wide = format!("{}1\n", "1,".repeat(200_000)).repeat(3);
    check("wide CSV", 32, wide.as_bytes(), &|file| csv::read_from::<i64>("f", file, &Format::with_target(0)).is_ok());
}
