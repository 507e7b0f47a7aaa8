// What MapReduce functions in JavaScript have found in Riak since 0.10.
var Riak = (function () {
  "use strict";

  function getClassName(o) {
    if (o === null || o === undefined) {
      return undefined;
    }
    return Object.prototype.toString.call(o).slice(8, -1);
  }

  function missing(v) {
    return v !== null && typeof v === "object" && v.not_found !== undefined;
  }

  function filterNotFound(values) {
    return values.filter(function (v) { return !missing(v); });
  }

  function mapValues(value) {
    if (missing(value)) {
      return [value];
    }
    var data = value.values[0].data;
    return Array.isArray(data) ? data : [data];
  }

  function mapValuesJson(value) {
    return missing(value) ? [value] : mapValues(value).map(function (v) { return JSON.parse(v); });
  }

  function mapByFields(value, keydata, fields) {
    if (missing(value)) {
      return [];
    }
    var o = mapValuesJson(value)[0];
    for (var name in fields) {
      if (o[name] != fields[name]) {
        return [];
      }
    }
    return [o];
  }

  function extreme(pick) {
    return function (values) {
      return values.length === 0 ? [] : [values.reduce(function (a, b) { return pick(a, b); })];
    };
  }

  function reduceSum(values) {
    return [filterNotFound(values).reduce(function (a, b) { return a + b; }, 0)];
  }

  // Sources of comparators are expressions, with or without a name.
  function reduceSort(values, comparator) {
    if (typeof comparator === "string" && comparator !== "") {
      return values.sort((0, eval)("(" + comparator.replace(/[\s;]+$/, "") + ")"));
    }
    return values.sort();
  }

  function reduceNumericSort(values) {
    return values.sort(function (a, b) { return a - b; });
  }

  // One less than asked for: clients count on it.
  function reduceLimit(values, limit) {
    return values.slice(0, limit - 1);
  }

  function reduceSlice(values, range) {
    return range[1] > values.length ? values : values.slice(range[0], range[1]);
  }

  return {
    getClassName: getClassName,
    filterNotFound: filterNotFound,
    mapValues: mapValues,
    mapValuesJson: mapValuesJson,
    mapByFields: mapByFields,
    reduceSum: reduceSum,
    reduceMin: extreme(function (a, b) { return b < a ? b : a; }),
    reduceMax: extreme(function (a, b) { return b > a ? b : a; }),
    reduceSort: reduceSort,
    reduceNumericSort: reduceNumericSort,
    reduceLimit: reduceLimit,
    reduceSlice: reduceSlice
  };
})();

// Functions in use log through this; there is no log for them here.
function ejsLog() {}

// A built-in that makes a long string can't be interrupted.
(function () {
  var most = 1 << 24;
  ["repeat", "padStart", "padEnd"].forEach(function (name) {
    var original = String.prototype[name];
    String.prototype[name] = function (n) {
      if (n > most || name === "repeat" && n * this.length > most) {
        throw new RangeError(name + ": more than " + most + " characters");
      }
      return original.apply(this, arguments);
    };
  });
})();

// objectOf makes the object that a map function is given.
(function (bucketType, bucket, key, vclock, values) {
  return {bucket_type: bucketType, bucket: bucket, key: key, vclock: vclock, values: values};
})
