-- Every version that was read, and the deletion that the list of keys showed.
SELECT v.id AS customer_id, v.name, v.email, v.city, v.country, v.segment, v.created_at AS since,
       v.updated_at, v._read_at AS read_at, v._ordinal AS ordinal, k._deleted_at AS deleted_at
FROM cleansed.shop.customers__versions AS v
LEFT JOIN cleansed.shop.customers AS k ON k.id = v.id
