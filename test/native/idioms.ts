// Every language idiom the sources rely on, printed. The native lane compiles this file and compares its output with
// that of Node: a difference is a compiler trap to be known before a service falls into it.

type Shape =
  | { readonly kind: "round"; readonly radius: number }
  | { readonly kind: "square"; readonly side: number }
  | { readonly kind: "none" };

interface Row {
  readonly want?: string;
  readonly stops?: boolean;
  readonly count?: number;
}

interface Person {
  readonly name: string;
  readonly age: number;
  readonly tags: readonly string[];
}

abstract class Speaker {
  abstract speak(text: string): string;
  abstract get title(): string;
}

class Loud extends Speaker {
  readonly #prefix: string;
  #count = 0;
  constructor(prefix: string) {
    super();
    this.#prefix = prefix;
  }
  override speak(text: string): string {
    this.#count++;
    return `${this.#prefix}${text.toUpperCase()}${this.#count}`;
  }
  override get title(): string {
    return `loud ${this.#prefix}`;
  }
}

class Failure extends Error {
  readonly errno: number;
  constructor(text: string, errno: number) {
    super(`${text}: ${errno}`);
    this.errno = errno;
  }
}

function area(shape: Shape): number {
  switch (shape.kind) {
    case "round":
      return Math.floor(shape.radius * shape.radius * 3);
    case "square":
      return shape.side * shape.side;
    case "none":
      return 0;
  }
}

function rowOf(byte: string): Row | undefined {
  switch (byte) {
    case "u":
      return { want: "up" };
    case "d":
      return { want: "down", stops: true };
    case "3":
      return { count: 3 };
    default:
      return undefined;
  }
}

function use(speaker: Speaker): string {
  return `${speaker.title}: ${speaker.speak("a")} ${speaker.speak("b")}`;
}

function older(person: Person): Person {
  return { ...person, age: person.age + 1 };
}

function attempt(errno: number): string {
  try {
    if (errno !== 0) throw new Failure("unable", errno);
    return "fine";
  } catch (error: unknown) {
    if (!(error instanceof Failure)) throw error;
    return `${error.message} (${error.errno})`;
  } finally {
    console.log(`tried ${errno}`);
  }
}

function main(): void {
  console.log("unions");
  const shapes: Shape[] = [{ kind: "round", radius: 2 }, { kind: "square", side: 3 }, { kind: "none" }];
  for (const shape of shapes) console.log(area(shape));

  console.log("rows with optional columns");
  for (const byte of "ud3z") {
    const row = rowOf(byte);
    if (row === undefined) console.log(`${byte} none`);
    else console.log(`${byte} ${row.want ?? "-"} ${row.stops === true} ${row.stops !== undefined} ${row.count ?? 0}`);
  }

  console.log("abstract classes, private fields, getters");
  console.log(use(new Loud("!")));

  console.log("spread of one full record");
  const ann: Person = { name: "Ann", age: 41, tags: ["x", "y"] };
  const next = older(ann);
  console.log(`${ann.age} ${next.age} ${next.name} ${next.tags.join("+")} ${next.tags.length}`);

  console.log("lists");
  const list: number[] = [];
  for (let i = 0; i < 5; i++) list.push(i * i);
  console.log(list.slice(1).join(","), list.filter((n) => n % 2 === 0).join(","), list.map((n) => n + 1).join(","));
  console.log(
    list.includes(9),
    list.some((n) => n > 15),
    list.indexOf(4),
    list.find((n) => n > 3) ?? -1,
    list[9] ?? "none",
  );
  console.log([...list, 99].length, [...list].reverse().join(" "), list.shift() ?? -1, list.pop() ?? -1, list.length);
  const words = ["b", "a", "é", "B", ""];
  words.sort();
  console.log(words.join("|"));

  console.log("maps and sets");
  const map = new Map<string, number>();
  for (const word of ["one", "two", "three", "two"]) map.set(word, (map.get(word) ?? 0) + word.length);
  for (const [key, value] of map) console.log(`${key}=${value}`);
  for (const key of map.keys()) if (key === "one") map.delete(key);
  for (const value of map.values()) console.log(value);
  const set = new Set<string>();
  set.add("a");
  set.add("b");
  set.add("a");
  console.log(set.size, set.has("a"), set.has("z"), map.size, map.has("one"));

  console.log("strings of bytes");
  let text = "";
  for (let i = 0; i < 256; i++) text += String.fromCharCode(i);
  let sum = 0;
  for (let i = 0; i < text.length; i++) sum += text.charCodeAt(i) * i;
  console.log(text.length, sum, text.charCodeAt(200), text.slice(65, 70), text.indexOf("z"), text.lastIndexOf("A"));
  console.log(
    "a:b::c".split(":").length,
    "  x ".trim(),
    "abc".startsWith("ab"),
    "abc".endsWith("bc"),
    "a b".split(" ").join("_"),
  );
  console.log(
    "7".padStart(3, "0"),
    "ab".repeat(3),
    "log: xxx".slice(-3),
    "abc".charAt(7) === "",
    Number("12x"),
    Number(" 7 "),
  );

  console.log("numbers");
  const big = 2 ** 62;
  console.log(Math.floor(7 / 2), 7 % 3, -7 % 3, 2 ** 31, 2 ** 53 - 1, Math.min(3, 1), Math.max(3, 9), big > 2 ** 60);
  console.log(`${0.1 + 0.2} ${1e21} ${1 / 3} ${-0} ${1000000} ${1e-7} ${123456789012345}`);

  console.log("bytes");
  const bytes = new Uint8Array(20);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  view.setUint32(0, 0x40000000, false);
  view.setUint32(4, 3000000000, false);
  view.setUint32(8, 123, true);
  view.setFloat64(12, 1.5, true);
  console.log(
    view.getUint32(0, false),
    view.getUint32(4, false),
    view.getUint32(4, true),
    view.getInt32(4, false),
    view.getUint8(8),
    view.getFloat64(12, true),
  );
  let all = "";
  for (let i = 0; i < bytes.length; i++) all += `${bytes[i] ?? 0} `;
  console.log(all);
  try {
    console.log(view.getUint32(18, true));
  } catch {
    console.log("a view throws beyond its end");
  }

  console.log("errors");
  console.log(attempt(0));
  console.log(attempt(13));

  console.log("tuples and destructuring");
  const pairs: readonly (readonly [number, string])[] = [
    [1, "one"],
    [2, "two"],
  ];
  for (const [number, name] of pairs) console.log(number, name);
  const { name, age } = ann;
  console.log(name, age);

  console.log("closures");
  const counters: (() => number)[] = [];
  for (let i = 0; i < 3; i++) {
    let n = i * 10;
    counters.push(() => ++n);
  }
  console.log(counters.map((counter) => counter() + counter()).join(" "));

  console.log("optional chains");
  const maybe: Loud | undefined = map.size > 100 ? new Loud("?") : undefined;
  console.log(maybe?.title ?? "nobody");
}

main();
