//! The files of a directory are read in order, each with as many examples as it should have.

use ndarray::{Ix1, Ix2};

use super::*;

/// `n` examples whose labels count up from `first` and whose pixels are their label.
fn bytes(first: u8, n: u8) -> Vec<u8> {
    (first..first + n).flat_map(|label| [vec![label], vec![label; N_PIXELS]].concat()).collect()
}

#[test]
fn files_are_read_in_order_and_their_lengths_compared() {
    let directory = std::env::temp_dir().join(format!("pullback-cifar-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    for (name, contents) in [("a", bytes(0, 2)), ("b", bytes(5, 2))] {
        std::fs::write(directory.join(name), contents).unwrap();
    }
    let read = |names: &[&str], n_each| read_files(&directory, names, Cifar::Ten, n_each);
    let both_parts = read(&["a", "b"], 2).unwrap();
    let (short, long, none) =
        (read(&["a"], 3).unwrap_err(), read(&["b"], 1).unwrap_err(), read(&["c"], 1).unwrap_err());
    std::fs::remove_dir_all(&directory).unwrap();

    let (x, labels) = (both_parts.array::<f32, Ix2>("x").unwrap(), both_parts.array::<i64, Ix1>("label").unwrap());
    assert_eq!(labels.to_vec(), [0, 1, 5, 6]);
    assert_eq!(x.column(N_PIXELS - 1).to_vec(), [0.0, 1.0 / 255.0, 5.0 / 255.0, 6.0 / 255.0]);
    let path = |name| directory.join(name).display().to_string();
    assert_eq!(
        short.to_string(),
        format!("{}, byte 6146: the file ends, but should have 9219 bytes or more", path("a"))
    );
    assert_eq!(long.to_string(), format!("{}, byte 3073: the file should end, but goes on", path("b")));
    assert_eq!(none.to_string(), format!("{}: holds no file `c`", directory.display()));
}
