// A contract that does what the scenarios of the official gateway clients call for, written with Fabric's contract API.
//
// Usage: CORE_PEER_LOCALMSPID=<organization> node scenarios.mjs <package id> <host:port>

import Bootstrap from 'fabric-shim/lib/contract-spi/bootstrap.js';
import contractApi from 'fabric-contract-api';
import shim from 'fabric-shim';

const text = (bytes) => Buffer.from(bytes).toString('utf8');

class ScenarioContract extends contractApi.Contract {
  async echo(ctx, value) {
    return value;
  }

  async echoTransient(ctx) {
    const values = [...ctx.stub.getTransient()].map(([key, value]) => [key, text(value)]);
    return JSON.stringify(Object.fromEntries(values.sort()));
  }

  async put(ctx, key, value) {
    await ctx.stub.putState(key, Buffer.from(value));
    return value;
  }

  async get(ctx, key) {
    return text(await ctx.stub.getState(key));
  }

  async errorMessage(ctx, message) {
    throw new Error(message);
  }

  async event(ctx, name, payload) {
    ctx.stub.setEvent(name, Buffer.from(payload));
  }

  async getPeerOrg(ctx) {
    return ctx.stub.getMspID();
  }

  async checkEndorsingOrg(ctx) {
    const own = ctx.stub.getMspID();
    if (!ctx.stub.getTransient().has(own)) {
      throw new Error(`endorser in this org (${own}) should not have been invoked`);
    }
    return 'success';
  }

  async writePrivateData(ctx) {
    const transient = ctx.stub.getTransient();
    for (const collection of text(transient.get('collection')).split(',')) {
      await ctx.stub.putPrivateData(collection, text(transient.get('key')), transient.get('value'));
    }
  }

  async readPrivateData(ctx, collection, key) {
    return text(await ctx.stub.getPrivateData(collection, key));
  }

  async setStateWithEndorser(ctx, key, value, endorser) {
    await ctx.stub.putState(key, Buffer.from(value));
    await this.guard(ctx, key, [endorser]);
  }

  async setStateEndorsers(ctx, key, first, second) {
    await this.guard(ctx, key, [first, second]);
  }

  async changeState(ctx, key, value) {
    await ctx.stub.putState(key, Buffer.from(value));
  }

  async exists(ctx, id) {
    return (await ctx.stub.getState(id)).length > 0;
  }

  async crash() {
    process.exit(99);
  }

  async nondet(ctx) {
    await ctx.stub.putState('random', Buffer.from(String(Math.random())));
  }

  async orgsFail(ctx, organizations) {
    const own = ctx.stub.getMspID();
    if (JSON.parse(organizations).includes(own)) {
      throw new Error(`${own} refuses to endorse this`);
    }
    await ctx.stub.putState('mykey', Buffer.from('myvalue'));
  }

  async guard(ctx, key, organizations) {
    const policy = new shim.KeyEndorsementPolicy();
    policy.addOrgs('PEER', ...organizations);
    await ctx.stub.setStateValidationParameter(key, policy.getPolicy());
  }
}

const [ccid, address] = process.argv.slice(2);
const serializers = {
  transaction: 'jsonSerializer',
  serializers: { jsonSerializer: contractApi.JSONSerializer },
};
await Bootstrap.register([ScenarioContract], serializers, {}, 'scenarios', '1.0', { ccid, address }, true);
console.log('listening');
