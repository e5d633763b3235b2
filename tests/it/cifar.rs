//! The example that trains on CIFAR, on files of its format that are made here; and the architectures' sizes, which its published
//! table has.

#[path = "../../examples/lecture/architectures/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the examples use more of it")]
mod architectures;
#[path = "../../examples/cifar/recipe.rs"]
mod recipe;

use std::{fs, path::Path};

use architectures::{
    Architecture, Block, Images, Norm,
    published::{PUBLISHED, coloured},
};
use pullback::{
    data::{
        Split,
        cifar::{self, Cifar},
    },
    train::Observer,
};
use recipe::Recipe;

/// A file of the binary version: images whose green plane says their class, beside noise that repeats.
fn write(path: &Path, n_images: usize, labels_of: impl Fn(usize) -> Vec<u8>) {
    let mut bytes = Vec::new();
    for image in 0..n_images {
        let class = image % 2;
        bytes.extend(labels_of(class));
        let pixel = |place: usize| match place / 1024 {
            1 => [40, 200][class],
            _ => ((image * 31 + place * 7) % 256) as u8,
        };
        bytes.extend((0..3072).map(pixel));
    }
    fs::write(path, bytes).expect("a temporary file is written");
}

struct Silent;

impl Observer for Silent {}

fn error_after_training(kind: Cifar, n_classes: usize, labels_of: impl Fn(usize) -> Vec<u8>) -> f64 {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let read = |name: &str, n_images| {
        let path = folder.path().join(name);
        write(&path, n_images, &labels_of);
        cifar::read_file(&path, kind).expect("the format is right")
    };
    let split = Split { train: read("train.bin", 256), test: read("test.bin", 64) };
    let architecture = Architecture::ResNet { depth: 8, width: 4, block: Block::Basic };
    let recipe = Recipe::of(architecture).in_epochs(6);
    let report = recipe::train(split, n_classes, (&recipe, 0), |fit| fit, &mut Silent).expect("it trains");
    report.measures[1].held_out.expect("there is a test part").value
}

/// Guessing one of two classes that there are, or of all, has an error of a half or more.
#[test]
fn a_recipe_learns_from_files_of_either_set() {
    assert!(error_after_training(Cifar::Ten, 10, |class| vec![[3, 8][class]]) < 0.1);
    assert!(error_after_training(Cifar::HundredFine, 100, |class| vec![7, [0, 99][class]]) < 0.1);
    assert!(error_after_training(Cifar::HundredCoarse, 20, |class| vec![[2, 19][class], 50]) < 0.1);
}

/// Recorded from the networks of the credited repository at commit 24f1c45, in PyTorch: by the sum of `numel` over parameters.
#[test]
fn parameters_are_as_many_as_published_and_as_the_repository_builds() {
    for published in &PUBLISHED {
        let found = published.architecture.n_parameters(coloured(10)).expect("it is built");
        assert_eq!(found, published.n_parameters, "{}", published.architecture);
    }
    let of_hundred = [
        ("alexnet", 2_495_396),
        ("vgg-19", 20_086_692),
        ("resnet-110", 1_736_564),
        ("preresnet-110", 1_736_372),
        ("resnet-164-bottleneck", 1_727_284),
        ("preresnet-164-bottleneck", 1_726_388),
        ("wrn-28-10", 36_536_884),
        ("wrn-40-4", 8_972_340),
        ("wrn-16-8", 11_007_540),
        ("resnext-29-8x64", 34_518_948),
        ("resnext-29-16x64", 68_247_460),
        ("densenet-bc-100-12", 800_032),
        ("densenet-bc-190-40", 25_821_620),
    ];
    for (name, expected) in of_hundred {
        let architecture: Architecture = name.parse().expect("it is a name");
        assert_eq!(architecture.n_parameters(coloured(100)).expect("it is built"), expected, "{name}");
    }
    // LeNet-5 with all maps connected: 156 + 2,416 + 48,120 + 10,164 + 850.
    let lenet = Architecture::LeNet { width: 6, norm: Norm::None };
    let grey = Images { channels: 1, side: 28, classes: 10 };
    assert_eq!(lenet.n_parameters(grey).expect("it is built"), 61_706);
}

#[test]
fn a_depth_that_blocks_do_not_add_up_to_is_told() {
    let wrong = ["vgg-12", "resnet-21", "resnet-2", "resnet-21-bottleneck", "preresnet-1", "wrn-4-2", "resnext-21-4x4"];
    for name in wrong.into_iter().chain(["densenet-bc-11-12"]) {
        let architecture: Architecture = name.parse().expect("it is a name");
        let error = architecture.n_parameters(coloured(10)).expect_err("the depth is wrong").to_string();
        assert!(error.contains(" has a depth of "), "{name}: {error}");
    }
    for name in ["", "resnet", "resnet-x", "wrn-28", "resnext-29-8", "densenet-100-12"] {
        let error = name.parse::<Architecture>().expect_err("it is no name");
        assert!(error.starts_with(&format!("no architecture is called {name:?}; there are lenet, ")), "{error}");
    }
}
