//! Times generated functions, one after another in one run: nanoseconds a call, the least of some rounds, and ratios. Compiled by `run`
//! with `ours.rs` and `wrenfold.rs` beside it.

#![allow(warnings)]

#[path = "time_geometry.rs"]
mod geometry;

mod ours {
    include!(concat!(env!("FOLDER"), "/ours.rs"));
}
mod wrenfold {
    use super::geometry::wrenfold_traits;
    include!(concat!(env!("FOLDER"), "/wrenfold.rs"));
}

use std::{hint::black_box, time::Instant};

use ours::Std;

type Casadi = unsafe extern "C" fn(*const *const f64, *const *mut f64, *mut i64, *mut f64, i32) -> i32;

#[link(name = "casadi_functions")]
unsafe extern "C" {
    fn c_w7(a: *const *const f64, r: *const *mut f64, iw: *mut i64, w: *mut f64, m: i32) -> i32;
    fn c_w8a(a: *const *const f64, r: *const *mut f64, iw: *mut i64, w: *mut f64, m: i32) -> i32;
    fn c_w8b(a: *const *const f64, r: *const *mut f64, iw: *mut i64, w: *mut f64, m: i32) -> i32;
    fn c_w14(a: *const *const f64, r: *const *mut f64, iw: *mut i64, w: *mut f64, m: i32) -> i32;
}

/// Nanoseconds of a call.
fn time(mut f: impl FnMut()) -> f64 {
    let mut n = 1;
    while timed(&mut f, n) < 2e6 {
        n *= 2;
    }
    (0..60).map(|_| timed(&mut f, n) / n as f64).fold(f64::MAX, f64::min)
}

/// Nanoseconds of a call of each, whose rounds take turns, so that what else the machine does meets all of them.
fn times<const N: usize>(mut repeated: [&mut dyn FnMut(u64) -> f64; N]) -> [f64; N] {
    let lengths = repeated.each_mut().map(|run| {
        let mut n = 1;
        while run(n) < 2e6 {
            n *= 2;
        }
        n
    });
    let mut least = [f64::MAX; N];
    for _ in 0..60 {
        for ((run, n), least) in repeated.iter_mut().zip(lengths).zip(&mut least) {
            *least = least.min(run(n) / n as f64);
        }
    }
    least
}

/// So many calls, and the nanoseconds that they took.
fn repeated(mut f: impl FnMut()) -> impl FnMut(u64) -> f64 {
    move |n| timed(&mut f, n)
}

fn timed(f: &mut impl FnMut(), n: u64) -> f64 {
    let start = Instant::now();
    (0..n).for_each(|_| f());
    start.elapsed().as_secs_f64() * 1e9
}

/// A function of CasADi through its buffers.
fn casadi(f: Casadi, arguments: &[&[f64]], results: &mut [&mut [f64]]) -> f64 {
    time(casadi_call(f, arguments, results))
}

fn casadi_call<'r>(f: Casadi, arguments: &[&[f64]], results: &'r mut [&mut [f64]]) -> impl FnMut() + use<'r> {
    let (mut iw, mut w) = (vec![0; 1 << 10], vec![0.0; 1 << 18]);
    let arguments: Vec<*const f64> = arguments.iter().map(|argument| argument.as_ptr()).collect();
    let results: Vec<*mut f64> = results.iter_mut().map(|result| result.as_mut_ptr()).collect();
    move || unsafe {
        black_box(f(black_box(&arguments).as_ptr(), results.as_ptr(), iw.as_mut_ptr(), w.as_mut_ptr(), 0));
    }
}

fn say(name: &str, ours: f64, wrenfold: Option<f64>, casadi: f64, difference: f64) {
    let peer = wrenfold.map_or("| |".to_owned(), |peer| format!("| {peer:.1} | {:.2}", ours / peer));
    println!("| {name} | {ours:.1} {peer} | {casadi:.1} | {:.2} | {difference:.0e} |", ours / casadi);
}

/// The largest difference relative to the larger of 1 and the numbers; infinite where either is none.
fn difference(got: &[f64], want: &[f64]) -> f64 {
    let one = |(got, want): (&f64, &f64)| (got - want).abs() / want.abs().max(1.0);
    let differences = got.iter().zip(want).map(one).map(|one| if one.is_nan() { f64::INFINITY } else { one });
    differences.fold(0.0, f64::max)
}

fn main() {
    println!(
        "| function | ours, ns | wrenfold's Rust, ns | ratio | CasADi's C, ns | ratio | difference |\n|---|---|---|---|---|---|---|"
    );
    let (mut f, mut c) = ([0.0], [0.0]);

    let x: [f64; 1000] = std::array::from_fn(|i| (i as f64).sin());
    let v: [f64; 1000] = std::array::from_fn(|i| (i as f64).cos());
    let (mut hv, mut hc) = ([0.0; 1000], [0.0; 1000]);
    let mut work = ours::W7Workspace::new();
    let t = time(|| ours::w7(black_box(&x), black_box(&v), &mut hv, &mut work));
    let peer = casadi(c_w7, &[&x, &v], &mut [&mut hc]);
    say("W7", t, None, peer, difference(&hv, &hc));

    let (mut d, mut dw, mut dc) = ([0.0; 2], [0.0; 2], [0.0; 2]);
    let [t, peer, casadi_time] = {
        let ([d0, d1], [w0, w1], mut g) = (&mut d, &mut dw, [0.0]);
        let mut results = [&mut g[..], &mut dc];
        times([
            &mut repeated(|| ours::w8a(black_box(0.5), black_box(0.7), black_box(&mut f[0]), d0, d1)),
            &mut repeated(|| wrenfold::w8a(black_box(0.5), black_box(0.7), black_box(&mut c[0]), w0, w1)),
            &mut repeated(casadi_call(c_w8a, &[&[0.5, 0.7]], &mut results)),
        ])
    };
    say("W8a", t, Some(peer), casadi_time, difference(&d, &dc).max(difference(&d, &dw)));

    let (mut d, mut dw, mut dc) = ([0.0; 5], [0.0; 5], [0.0; 5]);
    let at = [0.3, 0.7, -0.4, 0.9, 1.1];
    let [t, peer, casadi_time] = {
        let ([d0, d1, d2, d3, d4], [w0, w1, w2, w3, w4], mut g) = (&mut d, &mut dw, [0.0]);
        let mut results = [&mut g[..], &mut dc];
        times([
            &mut repeated(|| {
                let [a, b, c, d, e] = black_box(at);
                ours::w8b::<Std>(a, b, c, d, e, black_box(&mut f[0]), d0, d1, d2, d3, d4);
            }),
            &mut repeated(|| {
                let [x, y, z, v, w] = black_box(at);
                wrenfold::w8b(x, y, z, v, w, black_box(&mut c[0]), w0, w1, w2, w3, w4);
            }),
            &mut repeated(casadi_call(c_w8b, &[&at], &mut results)),
        ])
    };
    say("W8b", t, Some(peer), casadi_time, difference(&d, &dc).max(difference(&d, &dw)));

    let (mut d, mut dc) = ([0.0; 6], [0.0; 6]);
    let at = [1.0, 1.5, 20.0, 10.0, 28.0, 8.0 / 3.0];
    let casadi_time = casadi(c_w14, &[&at], &mut [&mut c, &mut dc]);
    let mut work = ours::W14Workspace::new();
    let [d0, d1, d2, d3, d4, d5] = &mut d;
    let t = time(|| {
        let [x, y, z, s, r, b] = black_box(at);
        ours::w14(x, y, z, s, r, b, black_box(&mut f[0]), d0, d1, d2, d3, d4, d5, &mut work);
    });
    say("W14", t, None, casadi_time, difference(&d, &dc));
    let mut work = ours::W14FusedWorkspace::new();
    let [d0, d1, d2, d3, d4, d5] = &mut d;
    let t = time(|| {
        let [x, y, z, s, r, b] = black_box(at);
        ours::w14_fused::<Std>(x, y, z, s, r, b, black_box(&mut f[0]), d0, d1, d2, d3, d4, d5, &mut work);
    });
    say("W14, fused multiply-adds", t, None, casadi_time, difference(&d, &dc));
    geometry::rotations();
    geometry::imu_integration();
    geometry::rolling_shutter_camera();
}
