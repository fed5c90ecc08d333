import assert from "node:assert/strict";
import { test } from "node:test";
import { serviceVariables } from "../../../../src/core/supervise/variables.ts";

test("scripts are told the name, the instance, where the state is and where logs go", () => {
  assert.deepEqual(serviceVariables("web", "", "/var/log/web"), [
    "SV_NAME=web",
    "SV_INSTANCE",
    "SV_LOGDIR=/var/log/web",
  ]);
  assert.deepEqual(serviceVariables("web@one@two", "/run/web", "/l"), [
    "SV_NAME=web@one@two",
    "SV_INSTANCE=one@two",
    "SV_STATE=/run/web",
    "SV_LOGDIR=/l",
  ]);
  assert.equal(serviceVariables("@", "", "/l")[1], "SV_INSTANCE=");
});
