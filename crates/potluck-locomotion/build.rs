//! Writes the folders of libtorch and of MuJoCo into the program and its tests as their run path, so that they start
//! without `LD_LIBRARY_PATH`. Their own build scripts cannot set link arguments for the programs that use them.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for (name, folder) in [("LIBTORCH", "/lib"), ("MUJOCO_DYNAMIC_LINK_DIR", "")] {
        println!("cargo::rerun-if-env-changed={name}");
        if let Ok(home) = std::env::var(name) {
            println!("cargo::rustc-link-arg=-Wl,-rpath,{home}{folder}");
        }
    }
}
