// Our reading of Dockerfiles is strict: what it does not know is no image, and thus no test that passes.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { suite, test } from "node:test";
import type { Build } from "../conformance/stage.ts";
import { Stage } from "../conformance/stage.ts";
import type { Image } from "./dockerfile.ts";
import { build } from "./dockerfile.ts";

const ours: Build = { name: "ours", path: [] };

/** Builds a Dockerfile with these files in its context, and looks at the image. */
async function building(text: string, files: Record<string, string>, look: (image: Image) => void): Promise<void> {
  const stage = new Stage(ours);
  try {
    for (const [name, content] of Object.entries(files)) stage.file(`context/${name}`, content);
    fs.mkdirSync(stage.at("context"), { recursive: true });
    fs.mkdirSync(stage.at("image"));
    look(build(stage.file("Dockerfile", text), stage.at("context"), stage.at("image")));
  } finally {
    await stage.clear();
  }
}

suite("a Dockerfile", () => {
  test("makes an image of what it says", async () => {
    const text = [
      "# comment",
      "FROM scratch AS first",
      "WORKDIR /inside",
      "COPY a sub/ ./",
      "COPY a renamed",
      "FROM scratch",
      "COPY --from=first /inside/ /",
      'ENV A=1 B="two words" \\',
      "  C=3",
      "USER 10:20",
      "EXPOSE 80",
      "STOPSIGNAL SIGQUIT",
      'HEALTHCHECK --interval=9s --timeout=3s CMD ["ask"]',
      'ENTRYPOINT ["do"]',
      'CMD ["this", "and that"]',
      "",
    ].join("\n");
    await building(text, { a: "A\n", "sub/b": "#!B\n" }, (image) => {
      assert.deepEqual(fs.readdirSync(image.root).sort(), ["a", "b", "renamed"]);
      assert.equal(fs.statSync(path.join(image.root, "b")).mode & 0o777, 0o755);
      const { A, B, C } = image.env;
      assert.deepEqual([A, B, C], ["1", "two words", "3"]);
      assert.deepEqual([image.user, image.stopSignal, image.hasUserland], ["10:20", "SIGQUIT", false]);
      assert.deepEqual([image.entrypoint, image.command], [["do"], ["this", "and that"]]);
      assert.deepEqual(image.health, { command: ["ask"], timeoutSeconds: 3 });
    });
  });

  for (const [title, text] of [
    ["an instruction that is not known", "FROM scratch\nVOLUME /data"],
    ["a base that cannot be had", "FROM alpine:3"],
    ["anything before FROM", "USER 1:1"],
    ["an entry point that a shell would run", "FROM scratch\nENTRYPOINT do this"],
    ["a user by name", "FROM scratch\nUSER nobody"],
    ["a variable in a value", "FROM scratch\nENV PATH=$PATH:/bin"],
    ["a command without a userland", "FROM scratch\nRUN true"],
    ["a source that is not there", "FROM scratch\nCOPY nothing /"],
    ["a source outside", "FROM scratch\nCOPY ../a /"],
    ["a pattern", "FROM scratch\nCOPY * /"],
    ["an option that is not known", "FROM scratch\nCOPY --chmod=755 a /"],
    ["a stage that is not there", "FROM scratch\nCOPY --from=first /a /"],
  ] as const) {
    test(`is refused with ${title}`, async () => {
      await assert.rejects(building(text, { a: "A\n" }, () => {}));
    });
  }
});
