// The twin of tests/support/twin_contract.py, written with Fabric's official shim for Node: both must be endorsed alike.
//
// Usage: node contract.mjs <package id> <host:port>                                        it listens
//        node contract.mjs --peer.address <host:port> --chaincode-id-name <package id>    it dials its peer

import shim from 'fabric-shim';

const text = (bytes) => Buffer.from(bytes).toString('utf8');
const bytes = (value) => Buffer.from(value, 'utf8');

async function rows(iterable) {
  const found = [];
  for await (const { key, value } of iterable) {
    found.push(`${key}=${text(value)}`);
  }
  return found.join(',');
}

const functions = {
  async Put(stub, key, value) {
    await stub.putState(key, bytes(value));
    return value;
  },
  async Get(stub, key) {
    return text(await stub.getState(key));
  },
  async Bump(stub, key) {
    const count = Number(text(await stub.getState(key)) || '0') + 1;
    await stub.putState(key, bytes(String(count)));
    return String(count);
  },
  async Delete(stub, key) {
    await stub.deleteState(key);
    return '';
  },
  async PutMany(stub, prefix, count) {
    for (let number = 0; number < Number(count); number += 1) {
      await stub.putState(prefix + String(number).padStart(4, '0'), bytes('x'));
    }
    return count;
  },
  async Range(stub, start, end) {
    const found = await rows(stub.getStateByRange(start, end));
    await stub.putState('range', bytes(found));
    return found;
  },
  async Page(stub, start, end, size, bookmark) {
    const page = await stub.getStateByRangeWithPagination(start, end, Number(size), bookmark);
    const found = await rowsOf(page.iterator);
    return `${found}|${page.metadata.fetchedRecordsCount}|${page.metadata.bookmark}`;
  },
  async Query(stub, query) {
    const found = await rows(stub.getQueryResult(query));
    await stub.putState('query', bytes(found));
    return found;
  },
  async QueryPage(stub, query, size, bookmark) {
    const page = await stub.getQueryResultWithPagination(query, Number(size), bookmark);
    const found = await rowsOf(page.iterator);
    return `${found}|${page.metadata.fetchedRecordsCount}|${page.metadata.bookmark}`;
  },
  async QueryPrivate(stub, collection, query) {
    return rows(stub.getPrivateDataQueryResult(collection, query));
  },
  async PutComposite(stub, kind, one, two, value) {
    await stub.putState(stub.createCompositeKey(kind, [one, two]), bytes(value));
    return '';
  },
  async Partial(stub, kind, one) {
    const found = [];
    for await (const { key, value } of stub.getStateByPartialCompositeKey(kind, [one])) {
      const { objectType, attributes } = stub.splitCompositeKey(key);
      found.push(`${objectType}/${attributes.join('/')}=${text(value)}`);
    }
    await stub.putState('partial', bytes(found.join(',')));
    return found.join(',');
  },
  async History(stub, key) {
    const found = [];
    for await (const change of stub.getHistoryForKey(key)) {
      found.push(`${change.txId}:${change.isDelete ? '' : text(change.value)}:${change.isDelete}`);
    }
    return found.join(',');
  },
  async Emit(stub, name, payload) {
    stub.setEvent(name, bytes(payload));
    await stub.putState('emitted', bytes(name));
    return '';
  },
  async Who(stub) {
    const { seconds, nanos } = stub.getTxTimestamp();
    const when = `${seconds.toString()}.${nanos}`;
    const mspId = new shim.ClientIdentity(stub).getMSPID();
    await stub.putState('who', bytes(`${mspId} ${stub.getTxID()} ${stub.getChannelID()} ${when}`));
    return mspId;
  },
  async Guard(stub, key, mspId) {
    const policy = new shim.KeyEndorsementPolicy();
    policy.addOrgs('MEMBER', mspId);
    await stub.setStateValidationParameter(key, policy.getPolicy());
    await stub.putState(key, bytes('guarded'));
    return '';
  },
  async Guards(stub, key) {
    const policy = await stub.getStateValidationParameter(key);
    return new shim.KeyEndorsementPolicy(policy).listOrgs().join(',');
  },
  async Call(stub, chaincode, name, argument) {
    const answer = await stub.invokeChaincode(chaincode, [name, argument], '');
    return `${answer.status} ${text(answer.payload)}`;
  },
  async PutPrivate(stub, collection, key) {
    await stub.putPrivateData(collection, key, stub.getTransient().get('value'));
    return '';
  },
  async GetPrivate(stub, collection, key) {
    return text(await stub.getPrivateData(collection, key));
  },
  async HashPrivate(stub, collection, key) {
    return Buffer.from(await stub.getPrivateDataHash(collection, key)).toString('hex');
  },
  async RangePrivate(stub, collection, start, end) {
    return rows(stub.getPrivateDataByRange(collection, start, end));
  },
  async DeletePrivate(stub, collection, key) {
    await stub.deletePrivateData(collection, key);
    return '';
  },
  async PurgePrivate(stub, collection, key) {
    await stub.purgePrivateData(collection, key);
    return '';
  },
};

async function rowsOf(iterator) {
  const found = [];
  for (let step = await iterator.next(); ; step = await iterator.next()) {
    if (step.value) {
      found.push(`${step.value.key}=${text(step.value.value)}`);
    }
    if (step.done) {
      await iterator.close();
      return found.join(',');
    }
  }
}

const chaincode = {
  async Init() {
    return shim.success();
  },
  async Invoke(stub) {
    const { fcn, params } = stub.getFunctionAndParameters();
    try {
      return shim.success(bytes(await functions[fcn](stub, ...params)));
    } catch (error) {
      return shim.error(`refused: ${error.message}`);
    }
  },
};

const [, , ccid, address] = process.argv;
if (ccid.startsWith('--')) {
  shim.start(chaincode);
} else {
  await shim.server(chaincode, { ccid, address }).start();
}
console.log('listening');
