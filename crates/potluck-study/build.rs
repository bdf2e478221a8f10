//! Writes the folder of libtorch into every program and test of this package as its run path, so
//! that they start without `LD_LIBRARY_PATH`.
//!
//! `torch-sys` finds libtorch by the same variable, but a dependency's build script cannot set
//! link arguments for the programs that use it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    if let Ok(libtorch) = std::env::var("LIBTORCH") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{libtorch}/lib");
    }
}
