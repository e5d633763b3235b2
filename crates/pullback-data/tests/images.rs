//! Folders of images: what is read, in which order, and what is an error.
#![cfg(feature = "images")]

use std::{error::Error, fs, path::Path};

use image::{GrayImage, Luma, Rgb, RgbImage};
use ndarray::{ArrayView1, ArrayView4, s};
use pullback::{
    Graph,
    data::{Batching, DataError, Source},
    nn::{Layer, Linear, cross_entropy, zero_one_loss},
    optim::Adam,
    train::{Fit, Metric, Trainer},
};
use pullback_data::{Channels, ImageFolder, ImageOptions, Placement};

/// A folder of the class `red` with two files, one deeper, and of `blue` with one, beside files that are no images and those that
/// systems and programs hide behind a dot.
fn folder() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder can be made");
    let path = |name: &str| root.path().join(name);
    for class in ["blue", "red/deep", "red/.thumbnails", ".cache"] {
        fs::create_dir_all(path(class)).expect("writable");
    }
    for hidden in [".cache/a.png", "red/.thumbnails/a.png", "red/deep/.c.png"] {
        RgbImage::new(4, 4).save(path(hidden)).expect("writable");
    }
    // As macOS leaves them beside each file of another file system.
    fs::write(path("red/._a.jpg"), "not an image").expect("writable");
    RgbImage::from_pixel(6, 4, Rgb([0, 0, 255])).save(path("blue/b.PNG")).expect("writable");
    RgbImage::from_pixel(8, 8, Rgb([255, 0, 0])).save(path("red/a.jpg")).expect("writable");
    RgbImage::from_fn(4, 4, |x, y| Rgb([x as u8 * 60, y as u8 * 60, 0]))
        .save(path("red/deep/c.png"))
        .expect("writable");
    fs::write(path("red/notes.txt"), "not an image").expect("writable");
    fs::write(path("readme"), "not a class").expect("writable");
    root
}

#[test]
fn rows_are_in_the_order_of_classes_and_paths() -> Result<(), DataError> {
    let root = folder();
    let images = ImageFolder::open(root.path(), ImageOptions::new(4, 4))?;
    assert_eq!(images.classes(), ["blue", "red"]);
    let files: Vec<(String, i64)> = images
        .files()
        .map(|(path, label)| {
            (path.strip_prefix(root.path()).expect("inside").display().to_string().replace('\\', "/"), label)
        })
        .collect();
    let expected = [("blue/b.PNG", 0), ("red/a.jpg", 1), ("red/deep/c.png", 1)];
    assert_eq!(files, expected.map(|(path, label)| (path.to_owned(), label)));

    let batch = images.batch(&[2, 0, 1, 2], 0)?;
    let labels: ArrayView1<'_, i64> = batch.array("label")?;
    assert_eq!(labels.to_vec(), [1, 0, 1, 1]);
    let x: ArrayView4<'_, f32> = batch.array("x")?;
    assert_eq!(x.shape(), [4, 3, 4, 4]);
    assert_eq!(x.index_axis(ndarray::Axis(0), 0), x.index_axis(ndarray::Axis(0), 3));
    // The third file is not scaled, so its pixels are those that were written.
    for (row, column) in [(0, 0), (1, 3), (3, 2)] {
        let expected = [column as f32 * 60.0 / 255.0, row as f32 * 60.0 / 255.0, 0.0];
        assert_eq!(x.slice(s![0, .., row, column]).to_vec(), expected);
    }
    assert_eq!(x.slice(s![1, .., 0, 0]).to_vec(), [0.0, 0.0, 1.0]);
    // JPEG is near.
    assert!(x.slice(s![2, .., 2, 2]).iter().zip([1.0, 0.0, 0.0]).all(|(found, wanted)| (found - wanted).abs() < 0.03));
    Ok(())
}

#[test]
fn gray_cropped_and_stretched_images_keep_what_they_should() -> Result<(), DataError> {
    let root = tempfile::tempdir().expect("a folder can be made");
    fs::create_dir(root.path().join("one")).expect("writable");
    // Black, white, black, in columns of 4.
    let bars = GrayImage::from_fn(12, 4, |x, _| Luma([if (4..8).contains(&x) { 255 } else { 0 }]));
    bars.save(root.path().join("one/bars.png")).expect("writable");
    let options = ImageOptions { channels: Channels::Gray, ..ImageOptions::new(4, 4) };
    let pixels = |placement| -> Result<Vec<f32>, DataError> {
        let batch = ImageFolder::open(root.path(), ImageOptions { placement, ..options })?.batch(&[0], 0)?;
        assert_eq!(batch["x"].shape(), [1, 1, 4, 4]);
        let x: ArrayView4<'_, f32> = batch.array("x")?;
        Ok(x.slice(s![0, 0, 0, ..]).to_vec())
    };
    assert_eq!(pixels(Placement::Crop)?, [1.0; 4], "the middle is white");
    let stretched = pixels(Placement::Stretch)?;
    assert!(stretched[0] < 0.4 && stretched[1] > 0.6 && stretched[2] > 0.6 && stretched[3] < 0.4, "{stretched:?}");
    Ok(())
}

#[test]
fn what_cannot_be_read_is_an_error_with_its_file() {
    let root = folder();
    let options = ImageOptions::new(4, 4);
    let shown = |error: &dyn Error| {
        let source = error.source().map(|source| source.to_string()).unwrap_or_default();
        format!("{error}: {source}")
    };
    let fails = |path: &Path, options: ImageOptions| shown(&ImageFolder::open(path, options).expect_err("refused"));

    let text = fails(&root.path().join("absent"), options);
    assert!(text.contains("absent"), "{text}");
    let text = fails(&root.path().join("blue"), options);
    assert!(text.contains("there is no folder in it"), "{text}");
    let text = fails(root.path(), ImageOptions::new(4, 0));
    assert!(text.contains("at least one pixel"), "{text}");
    fs::create_dir(root.path().join("empty")).expect("writable");
    let text = fails(root.path(), options);
    assert!(text.contains("empty") && text.contains("holds no .png"), "{text}");
    fs::remove_dir(root.path().join("empty")).expect("empty");

    let whole = fs::read(root.path().join("blue/b.PNG")).expect("readable");
    let huge_header = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x06\0\0\0";
    for bytes in [&b"no image"[..], &whole[..whole.len() / 2], &[], huge_header] {
        fs::write(root.path().join("red/a.jpg"), bytes).expect("writable");
        let images = ImageFolder::open(root.path(), options).expect("files are not opened yet");
        let error = images.batch(&[0, 1], 0).expect_err("broken");
        assert!(shown(&error).contains("a.jpg: no image can be read"), "{}", shown(&error));
        images.batch(&[0, 2], 0).expect("the others are whole");
    }
    let images = ImageFolder::open(root.path(), options).expect("files are not opened yet");
    assert!(matches!(images.batch(&[3], 0), Err(DataError::NoRow { row: 3, n_examples: 3 })));
}

#[test]
fn a_folder_is_trained_on() -> Result<(), Box<dyn Error>> {
    let root = tempfile::tempdir()?;
    for (class, shade) in [("dark", 40u8), ("light", 200)] {
        fs::create_dir(root.path().join(class))?;
        for number in 0..12u8 {
            let path = root.path().join(class).join(format!("{number:02}.png"));
            GrayImage::from_fn(5, 5, |x, y| Luma([shade + number + (x * y) as u8])).save(path)?;
        }
    }
    let images = ImageFolder::open(root.path(), ImageOptions { channels: Channels::Gray, ..ImageOptions::new(4, 4) })?;
    let g = Graph::new();
    let x = g.input("x", ("batch", 1, 4, 4));
    let label = g.input_of(pullback::DType::I64, "label", ("batch",));
    let scores = Linear::new(&g, "scores", 16, 2).call(x.flatten(1));
    let mut trainer =
        Trainer::new(cross_entropy(scores, label), [Metric::rate("error", zero_one_loss(scores, label))])?;
    let (mut parameters, mut adam) = (g.initialize(0)?, Adam::new(0.1));
    let batching = Batching::new(6).prefetch(2);
    let report = trainer.training(&mut parameters, &mut adam).fit(&images, &Fit::new(20, batching))?;
    assert_eq!(report.measures[1].training, 0.0, "two shades are told apart");
    Ok(())
}
