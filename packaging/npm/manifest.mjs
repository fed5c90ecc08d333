// package.json of an npm package: manifest.mjs VERSION suite PROGRAM…, or VERSION linux-x64.

const [version, kind = "", ...programs] = process.argv.slice(2);
const common = { version, license: "MIT", os: ["linux"] };
const platforms = ["linux-x64", "linux-arm64"];

const manifest =
  kind === "suite"
    ? {
        name: "runit-ts",
        description: "The runit service supervision suite as one small static binary",
        ...common,
        cpu: platforms.map((platform) => platform.slice("linux-".length)),
        man: ["runit-ts", ...programs].map((program) => `./man/${program}.8`),
        bin: Object.fromEntries(["runit-ts", ...programs].map((program) => [program, `bin/${program}`])),
        optionalDependencies: Object.fromEntries(platforms.map((platform) => [`@runit-ts/${platform}`, version])),
      }
    : {
        name: `@runit-ts/${kind}`,
        description: `The binary of runit-ts for ${kind}`,
        ...common,
        cpu: [kind.slice("linux-".length)],
        files: ["runit-ts", "licenses"],
      };
console.log(JSON.stringify(manifest, undefined, 2));
